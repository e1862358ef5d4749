"""From a URL to a database whose layout this Headrace knows."""

from __future__ import annotations

import math
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from headrace.catalogs.layout import settle
from headrace.catalogs.refusals import refusals
from headrace.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

__all__ = ["WRITES", "open_engine", "shown"]

WRITES = "headrace_writes"
"""Execution option of connections that will write: SQLite then takes its one write lock at once."""

_SETTING = "[registry] url"
_PAUSE = 0.005  # seconds between two tries


def open_engine(url: str, patience: float) -> Engine:
    """Connect to a registry's database; lay or migrate its tables when needed.

    Args:
        url: `sqlite:///path`, or `postgresql://user:password@host/database`.
        patience: Seconds to wait for another writer, or for a server to answer.

    Raises:
        StoreError: The URL is none of these, its driver is not installed, or the database cannot be reached
        or
            written, is somebody else's, or was written by a newer Headrace.
    """
    parsed = _parsed(url)
    where = shown(parsed)
    with refusals(where):
        connect = _sqlite if parsed.get_backend_name() == "sqlite" else _postgres
        engine = connect(parsed, patience)
        try:
            settle(engine, engine.execution_options(**{WRITES: True}), where)
        except BaseException:
            engine.dispose()
            raise
    return engine


def shown(url: URL) -> str:
    """The URL without its password; of a SQLite file its path."""
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    return url.render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    remedy = "Use sqlite:///path/to/registry.db or postgresql://user@host/database."
    try:
        parsed = sqlalchemy.make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise StoreError(
            f"{_SETTING} is not a database URL.", remedy=remedy
        ) from None  # it may hold a password
    if backend == "postgres":
        parsed, backend = parsed.set(drivername="postgresql"), "postgresql"
    if backend not in {"sqlite", "postgresql"}:
        raise StoreError(
            f"A registry cannot live in {backend}.",
            asked=backend,
            available=["sqlite", "postgresql"],
            remedy=remedy,
        )
    return parsed.set(drivername="sqlite+pysqlite" if backend == "sqlite" else "postgresql+psycopg")


def _sqlite(url: URL, patience: float) -> Engine:
    in_memory = url.database in {None, "", ":memory:"}
    options: dict[str, Any] = {}
    if in_memory:  # its data is its connection: there is one, and threads wait for it
        options = {"poolclass": sqlalchemy.QueuePool, "pool_size": 1, "max_overflow": 0}
    else:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    arguments = {"timeout": patience, "check_same_thread": False}
    engine = sqlalchemy.create_engine(url, connect_args=arguments, **options)

    def prepare(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions behind our back
        cursor = connection.cursor()
        _log_ahead(cursor, patience)
        cursor.execute("PRAGMA synchronous = FULL")  # an acknowledged apply outlives a power cut
        cursor.close()

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _log_ahead(cursor: DBAPICursor, patience: float) -> None:
    """Let readers go on while one writes.

    When several connections try this at once on a new file, SQLite may turn one away without waiting.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that first reads and then wants to write fails at once when another wrote in between: ask
    # first.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres(url: URL, patience: float) -> Engine:
    whole_seconds = {"connect_timeout": str(max(2, math.ceil(patience)))}
    try:
        engine = sqlalchemy.create_engine(
            url.update_query_dict({**whole_seconds, **url.query}),
            pool_pre_ping=True,  # a restarted server costs one reconnect, not an error
            isolation_level="READ COMMITTED",  # whatever the server's default: writers queue on one row
        )
    except ModuleNotFoundError as missing:
        raise StoreError(
            f"The registry {shown(url)} needs the PostgreSQL driver.",
            asked=missing.name,
            remedy="Install it: pip install 'headrace[postgres]'.",
        ) from None

    def prepare(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {math.ceil(patience * 1000)}")
        cursor.close()
        connection.commit()  # undone by a rollback otherwise

    event.listen(engine, "connect", prepare)
    return engine
