"""What is asked and set of a connection of SQLAlchemy before a journal uses it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["has_transactions", "without_preparing"]


@contextmanager
def without_preparing(connection: Any) -> Generator[None]:
    """Keep psycopg from preparing statements, and from executing those that it has prepared.

    Behind a pooler such as PgBouncer, a name stands for a statement of somebody else.
    """
    driver = connection.connection.driver_connection
    if not hasattr(driver, "prepare_threshold"):
        yield
        return
    threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


def has_transactions(connection: Any) -> bool:
    """Whether statements of a connection that has begun are one transaction.

    SQLAlchemy does not know it where the driver was told to commit each statement.
    """
    if connection.dialect.name == "postgresql":
        number = "SELECT txid_current()"
        first = connection.exec_driver_sql(number).scalar()
        return bool(first == connection.exec_driver_sql(number).scalar())
    if connection.dialect.name == "sqlite":
        driver = connection.connection.driver_connection
        begins = driver.isolation_level is not None and getattr(driver, "autocommit", 0) is not True
        return bool(driver.in_transaction or begins)
    if connection.dialect.name in {"mysql", "mariadb"}:
        return not connection.exec_driver_sql("SELECT @@autocommit").scalar()
    return True
