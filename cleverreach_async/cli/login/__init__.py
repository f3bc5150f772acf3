"""``cleverreach login`` and ``cleverreach logout``."""
