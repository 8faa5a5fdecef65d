"""From model and open deals to revenue: exact distributions, comparisons, past performance."""
