"""``cleverreach demo``: a first import, without an account and without a file."""
