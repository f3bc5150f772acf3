"""What the workers of an engine need: a function for the client, and one for the journals.

Both are called in the worker, so neither a secret nor a connection travels there.
"""

import os
from functools import cache
from typing import Any

from sqlalchemy import create_engine

from cleverreach_async import CleverReach, SqlJournal


def make_client() -> CleverReach:
    """Return a client with the credentials of the environment."""
    return CleverReach.from_env()


def open_journal(key: str) -> SqlJournal:
    """Return the journal with a key, in the database that all workers reach."""
    return SqlJournal(_engine(), key)


@cache
def _engine() -> Any:
    return create_engine(os.environ.get("JOURNALS", "sqlite:////tmp/cleverreach-journals.db"))
