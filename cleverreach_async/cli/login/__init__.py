"""The login command."""
