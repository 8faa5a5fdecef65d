"""A made-up company with a known truth."""
