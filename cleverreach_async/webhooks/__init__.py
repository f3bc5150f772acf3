"""Receive the vendor's webhooks: an endpoint free of any framework, and thin adapters."""
