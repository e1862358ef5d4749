"""Which layout a database has, and bringing it to ours: an empty one is laid, an older one migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, inspect, select

from headrace.catalogs import tables
from headrace.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine

__all__ = ["refuse_newer", "settle"]

_SETTING = "[registry] url"
_SETTLING = 0x68656164  # the advisory lock of those who change tables; any constant of ours will do
_NONE, _FIRST = "0000", "0001"  # a registry of before migrations, and what it is stamped as


class Found(NamedTuple):
    """What a database says of itself.

    Attributes:
        layout: Who can read it: raised where an older Headrace could not go on.
        migration: The newest migration that was run.
    """

    layout: int
    migration: str

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to run; a newer Headrace's additions are none of our business."""
        return int(self.migration) >= int(tables.MIGRATION)


def settle(reading: Engine, writing: Engine, where: str) -> None:
    """Make sure that the tables are there and as we know them.

    Of several that find them missing or old one goes ahead, and the others find its work done.

    Args:
        reading: Begins transactions that read.
        writing: Begins transactions that write: SQLite's write lock is taken at once.
        where: The registry, as it may be shown: no password.

    Raises:
        StoreError: The database is somebody else's or a newer Headrace's, is damaged, or may not be written.
    """
    with reading.connect() as connection:
        found = _found(connection, where)
    if found is not None and found.is_current:
        return
    with writing.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_SETTLING)))
        found = _found(connection, where)
        if found is None:
            _lay(connection)
        elif not found.is_current:
            _migrate(connection, found)


def refuse_newer(connection: Connection, where: str) -> None:
    """Stop a writer whose registry was migrated beyond it while it had it open.

    Raises:
        StoreError: The layout is newer than the one we know.
    """
    _refuse_newer(connection.execute(select(tables.layout.c.layout)).scalar_one(), where)


def _refuse_newer(layout: int, where: str) -> None:
    if layout > tables.LAYOUT:
        raise StoreError(
            f"The registry {where} was written by a newer Headrace: layout {layout}, not {tables.LAYOUT}.",
            asked=layout,
            available=[str(tables.LAYOUT)],
            remedy="Upgrade: pip install --upgrade headrace.",
        )


def _lay(connection: Connection) -> None:
    tables.METADATA.create_all(connection)
    connection.execute(tables.layout.insert().values(layout=tables.LAYOUT))
    connection.execute(tables.migration.insert().values(version_num=tables.MIGRATION))
    connection.execute(tables.state.insert().values(one=True, counter=0))


def _migrate(connection: Connection, found: Found) -> None:
    from headrace.catalogs.migrating import upgrade  # Alembic takes a tenth of a second

    if found.migration == _NONE:
        tables.migration.create(connection)
        connection.execute(tables.migration.insert().values(version_num=_FIRST))
    connection.execute(
        select(tables.state.c.counter).with_for_update()
    )  # behind a commit, and before the next
    upgrade(connection)
    connection.execute(tables.layout.update().values(layout=tables.LAYOUT))


def _found(connection: Connection, where: str) -> Found | None:
    """What the database says of itself; None where there is no registry yet.

    Raises:
        StoreError: It is somebody else's or a newer Headrace's, or does not say one thing.
    """
    names = set(inspect(connection).get_table_names())
    if tables.layout.name not in names:
        foreign = names if connection.dialect.name == "sqlite" else names & set(tables.METADATA.tables)
        if foreign:
            raise StoreError(
                f"The database {where} is not a Headrace registry: it holds other tables.",
                asked=where,
                available=sorted(foreign)[:5],
                remedy=f"Name another one in {_SETTING}.",
            )
        return None
    layouts = connection.execute(select(tables.layout.c.layout)).scalars().all()
    migrations: Sequence[str] = [_NONE]
    if tables.migration.name in names:
        migrations = connection.execute(select(tables.migration.c.version_num)).scalars().all()
    if not (_is_one_number(layouts) and _is_one_number(migrations)):
        raise StoreError(
            f"The registry {where} does not say its layout: it is damaged.",
            asked=where,
            remedy=f"Name another one in {_SETTING}, or restore it from a backup.",
        )
    _refuse_newer(layouts[0], where)
    return Found(layouts[0], migrations[0])


def _is_one_number(values: Sequence[object]) -> bool:
    return len(values) == 1 and str(values[0]).isdecimal()
