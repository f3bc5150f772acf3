"""OAuth 2 for CleverReach: grants, tokens and where they are kept."""
