"""Send only the rows of a source that are new or changed since the last time."""
