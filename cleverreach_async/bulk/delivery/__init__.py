"""Send one batch and decide the result of every row."""
