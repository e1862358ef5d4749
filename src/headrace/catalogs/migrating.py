"""Runs the migrations of the registry's tables. Whoever imports this imports Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory

from headrace.catalogs import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic.runtime.migration import RevisionStep
    from sqlalchemy import Connection

__all__ = ["upgrade"]

_MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(connection: Connection, migrations: Path = _MIGRATIONS) -> None:
    """Run what is newer than the database says, inside the caller's transaction.

    Args:
        connection: In a transaction that holds the lock of those who change tables.
        migrations: The directory of the migrations.
    """
    scripts = ScriptDirectory(migrations, version_locations=[migrations])

    def missing(heads: Iterable[str], _: MigrationContext) -> list[RevisionStep]:
        steps = list(scripts.iterate_revisions("head", tuple(heads)))
        return [MigrationStep.upgrade_from_script(scripts.revision_map, each) for each in reversed(steps)]

    options = {"version_table": tables.migration.name, "fn": missing, "target_metadata": tables.METADATA}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()
