"""Async Python client for the CleverReach REST API v3."""
