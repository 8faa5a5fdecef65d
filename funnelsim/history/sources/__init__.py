"""One short function per source: an export as it comes, to what a mapping file would say about it."""
