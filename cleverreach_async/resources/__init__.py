"""The vendor's nouns: one file each, models on top, calls below."""
