"""Fixtures for journals in stores that several machines reach."""

from support.journal_stores import open_store, postgres_address
from support.redis_server import open_redis, redis_port

__all__ = ["open_redis", "open_store", "postgres_address", "redis_port"]
