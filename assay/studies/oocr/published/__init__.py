"""The published data sets of the same tasks: read, converted, written in their own layout."""
