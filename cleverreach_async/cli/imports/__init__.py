"""The import command."""
