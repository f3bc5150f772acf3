"""The HTML report of an import."""
