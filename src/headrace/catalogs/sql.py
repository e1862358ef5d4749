"""The registry in a database: SQLite or PostgreSQL, the same statements."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import and_, bindparam, func, select

from headrace.catalogs import tables
from headrace.catalogs.layout import refuse_newer
from headrace.catalogs.opening import WRITES, open_engine, shown
from headrace.catalogs.refusals import refusals, tried_again
from headrace.errors import ConflictError
from headrace.ports.catalog import Change, Event, Key, Revision, Run, Snapshot, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row, Table

__all__ = ["SqlCatalog"]

_EVENT = [tables.audit.c[name] for name in Event._fields]
_COUNTER = select(tables.state.c.counter)


class SqlCatalog:
    """A Catalog in a SQLite file or a PostgreSQL database.

    Threads and processes may share it: readers never wait for a writer, writers take turns. A process forked
    from one that has it open uses connections of its own.
    """

    def __init__(self, url: str, *, patience: float = 10.0) -> None:
        """Open the database; lay its tables when there are none.

        Args:
            url: `sqlite:///path/to/registry.db` or `postgresql://user:password@host/database`.
            patience: Seconds to wait for another writer, or for a server to answer.

        Raises:
            StoreError: It cannot be opened, is somebody else's, or was written by a newer Headrace.
        """
        self._engine = open_engine(url, patience)
        self._where = shown(self._engine.url)
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"SqlCatalog({self._where!r})"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[Connection, int]]:
        """A transaction of the only writer, and the counter it found."""
        with self._transaction(**{WRITES: True}) as connection:
            counter = int(connection.execute(_COUNTER.with_for_update()).scalar_one())
            refuse_newer(connection, self._where)
            yield connection, counter

    @contextlib.contextmanager
    def _transaction(self, **options: Any) -> Iterator[Connection]:
        if os.getpid() != self._process:  # a connection shared with the parent would mix up both
            self._engine.dispose(close=False)
            self._process = os.getpid()
        with refusals(self._where), self._engine.execution_options(**options).begin() as connection:
            yield connection

    def _reading(self) -> contextlib.AbstractContextManager[Connection]:
        """A transaction whose statements all see one state."""
        if self._engine.dialect.name == "postgresql":
            return self._transaction(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return self._transaction()

    @tried_again
    def counter(self) -> int:
        """How many commits there were."""
        with self._transaction() as connection:
            return int(connection.execute(_COUNTER).scalar_one())

    @tried_again
    def snapshot(self) -> Snapshot:
        """Everything, as of one counter."""
        every = tables.revisions
        newest = select(every.c.kind, every.c.name, every.c.version, func.max(every.c.number).label("number"))
        last = newest.group_by(every.c.kind, every.c.name, every.c.version).subquery()
        is_last = and_(*(every.c[name] == last.c[name] for name in ("kind", "name", "version", "number")))
        first = select(every.c.kind, every.c.name, every.c.version, every.c.at).where(every.c.number == 1)
        with self._reading() as connection:
            return Snapshot(
                connection.execute(_COUNTER).scalar_one(),
                {
                    each.key: each
                    for each in map(_revision, connection.execute(select(every).join(last, is_last)))
                },
                {Key(*row[:3]): row.at for row in connection.execute(first)},
                frozenset(Key(*row) for row in connection.execute(select(tables.declared))),
                {(row.kind, row.name): _stack(row) for row in connection.execute(select(tables.active))},
            )

    @tried_again
    def commit(self, change: Change) -> int:
        """Write a change whole and count one further; or write nothing.

        Raises:
            ConflictError: The counter is no longer `change.expected`.
        """
        with self._writing() as (connection, found):
            if found != change.expected:
                raise ConflictError(
                    f"The registry changed: it is at {found}, the change was made for {change.expected}.",
                    asked=change.expected,
                    available=[str(found)],
                    remedy="Plan again.",
                )
            counter = found + 1
            connection.execute(tables.state.update().values(counter=counter))
            _insert(connection, tables.revisions, [_revision_row(each, counter) for each in change.revisions])
            _declare(connection, change)
            _activate(connection, change)
            numbered = enumerate(each._replace(counter=counter) for each in change.events)
            _insert(connection, tables.audit, [{**each._asdict(), "position": at} for at, each in numbered])
            return counter

    @tried_again
    def revisions(self, kind: str, name: str) -> Sequence[Revision]:
        """Every revision of every version of a name, oldest first."""
        every = tables.revisions
        query = select(every).where(every.c.kind == kind, every.c.name == name)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(every.c.counter, every.c.version, every.c.number))
            return [_revision(row) for row in rows]

    @tried_again
    def events(
        self, kind: str | None = None, name: str | None = None, since: int = 0, limit: int | None = None
    ) -> Sequence[Event]:
        """The audit log after the counter `since`, oldest first; with a limit, the newest lines of it."""
        log = tables.audit
        query = (
            select(*_EVENT).where(log.c.counter > since).order_by(log.c.counter.desc(), log.c.position.desc())
        )
        if kind is not None:
            query = query.where(log.c.kind == kind)
        if name is not None:
            query = query.where(log.c.name == name)
        with self._transaction() as connection:
            return [Event(*row) for row in connection.execute(query.limit(limit))][::-1]

    @tried_again
    def record(self, run: Run) -> None:
        """Keep a run as its view's last good load, unless a later one is there."""
        of_view = _is(tables.runs, run.key)
        with self._writing() as (connection, _):  # two loads of one view take turns
            later = connection.execute(select(tables.runs.c.finished).where(of_view)).scalar_one_or_none()
            if later is not None and later > run.finished:
                return
            details = json.dumps(dict(run.details), sort_keys=True)
            connection.execute(tables.runs.delete().where(of_view))
            row = {**run.key._asdict(), "end": run.end, "finished": run.finished, "details": details}
            connection.execute(tables.runs.insert(), row)

    @tried_again
    def runs(self) -> Sequence[Run]:
        """The last good load of each view version that has one."""
        with self._transaction() as connection:
            rows = connection.execute(select(tables.runs)).all()
        return [Run(Key(*row[:3]), row.end, row.finished, json.loads(row.details)) for row in rows]

    def close(self) -> None:
        """Let go of connections and files; closing twice is harmless."""
        self._engine.dispose()


def _revision_row(revision: Revision, counter: int) -> dict[str, Any]:
    key = revision.key._asdict()
    of = {name: getattr(revision, name) for name in ("number", "change", "content", "who", "at")}
    return {**key, **of, "counter": counter}


def _revision(row: Row[Any]) -> Revision:
    return Revision(
        Key(row.kind, row.name, row.version), row.number, row.change, row.content, row.who, row.at
    )


def _stack(row: Row[Any]) -> Stack:
    return Stack(tuple(json.loads(row.versions)), row.how, row.who, row.at)


def _is(table: Table, key: Key) -> sqlalchemy.ColumnElement[bool]:
    return and_(table.c.kind == key.kind, table.c.name == key.name, table.c.version == key.version)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _delete(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Delete the rows of these primary keys; one that is not there is passed over."""
    if rows:
        matching = and_(*(column == bindparam(f"the_{column.name}") for column in table.primary_key))
        keys = [{f"the_{column.name}": row[column.name] for column in table.primary_key} for row in rows]
        connection.execute(table.delete().where(matching), keys)


def _declare(connection: Connection, change: Change) -> None:
    _delete(connection, tables.declared, [key._asdict() for key in change.declared])
    _insert(connection, tables.declared, [key._asdict() for key, here in change.declared.items() if here])


def _activate(connection: Connection, change: Change) -> None:
    names = [{"kind": each.kind, "name": each.name} for each in change.activations]
    _delete(connection, tables.active, names)
    rows = [
        {**name, **each.stack._asdict(), "versions": json.dumps(each.stack.versions)}
        for name, each in zip(names, change.activations, strict=True)
        if each.stack is not None
    ]
    _insert(connection, tables.active, rows)
