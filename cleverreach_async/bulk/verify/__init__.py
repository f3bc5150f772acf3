"""Compare the rows of a source with the receivers of a group."""
