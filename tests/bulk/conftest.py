"""Fixtures for journals in stores that several machines reach."""

from support.journal_stores import mariadb_address, open_store, postgres_address
from support.redis_server import open_redis, redis_port

__all__ = ["mariadb_address", "open_redis", "open_store", "postgres_address", "redis_port"]
