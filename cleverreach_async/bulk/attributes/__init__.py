"""The attributes of an import: those of its rows, those of the account, and what is missing."""
