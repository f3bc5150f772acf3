"""The `cleverreach` command."""
