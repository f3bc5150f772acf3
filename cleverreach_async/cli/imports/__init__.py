"""``cleverreach import`` and ``cleverreach retry-rejects``."""
