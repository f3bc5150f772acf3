"""Activation mails after an import."""
