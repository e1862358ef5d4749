"""A registry's tables of any age become those of this Headrace, with their rows, whoever opens them first."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import headrace as hr
from headrace.catalogs import migrating, tables
from headrace.catalogs.opening import WRITES, open_engine
from headrace.catalogs.sql import SqlCatalog
from headrace.errors import StoreError
from headrace.ports.catalog import Change, Key, Revision, Run
from headrace.registry.documents import definition_of
from tests.registry.first_layout import FIRST_LAYOUT, TABLES
from tests.registry.shop import shop
from tests.registry.test_opening import execute, refused
from tests.registry.test_processes import child, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEXT = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("headrace_runs", sa.Column("rows", sa.BigInteger))
    op.create_index("headrace_audit_name", "headrace_audit", ["kind", "name"])
    {then}
"""


@contextlib.contextmanager
def connected(url: str) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All there is in the tables of the first layout."""
    with connected(url) as connection:
        read = {
            name: connection.exec_driver_sql(f"SELECT * FROM headrace_{name}").fetchall() for name in TABLES
        }
    return {name: sorted(map(tuple, found)) for name, found in read.items()}


def make_old(url: str) -> None:
    """Take from a registry what migrations brought."""
    execute(url, "DROP TABLE headrace_migration")


@pytest.fixture
def old(url: str) -> str:
    """A registry of before migrations, with definitions and a load in it."""
    execute(url, *FIRST_LAYOUT)
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE headrace_migration (version_num VARCHAR(32) PRIMARY KEY)")
        connection.execute(tables.migration.insert().values(version_num=tables.MIGRATION))
    with opened(url) as registry:
        registry.apply(*shop())
        registry.record_run(Key("view", "user_ads", "1"), 5, {"rows": 3})
    make_old(url)
    return url


def test_a_registry_of_before_migrations_keeps_its_rows(old: str) -> None:
    before = rows(old)
    assert all(before.values())
    with opened(old) as registry:
        assert registry.plan(*shop()).is_empty
    assert rows(old) == before
    with connected(old) as connection:
        found = connection.execute(sqlalchemy.select(tables.migration.c.version_num)).scalars().all()
    assert found == [tables.MIGRATION]


def test_a_migrated_registry_is_what_a_new_one_is(old: str) -> None:
    SqlCatalog(old).close()
    with connected(old) as connection:
        ours = {
            "include_object": lambda _object, name, kind, *_: kind != "table" or name.startswith("headrace_")
        }
        context = MigrationContext.configure(
            connection,
            opts={"version_table": tables.migration.name, "compare_type": True, **ours},
        )
        assert compare_metadata(context, tables.METADATA) == []


def test_the_newest_migration_is_the_one_the_tables_are_made_for() -> None:
    folder = migrating.__file__.replace("migrating.py", "migrations")
    scripts = ScriptDirectory(folder, version_locations=[folder])
    found = [each.revision for each in scripts.walk_revisions()][::-1]
    assert found == [f"{number:04}" for number in range(1, len(found) + 1)]
    assert found[-1] == tables.MIGRATION


def test_many_processes_may_open_an_old_registry_at_once(old: str) -> None:
    before = rows(old)
    with child("open_at_once", old, 8) as opening:
        assert opening.hear() == " ".join(["1"] * 8)
    assert rows(old) == before


def test_an_old_registry_that_is_being_written_waits_for_the_writer(old: str) -> None:
    with connected(old) as holder:
        holder.exec_driver_sql("UPDATE headrace_state SET counter = counter")
        refused(old, "held by another program")
    SqlCatalog(old).close()


def test_a_newer_migration_that_asks_nothing_of_readers_is_left_alone(url: str) -> None:
    """While servers are updated one by one, old and new ones work on one registry."""
    SqlCatalog(url).close()
    execute(url, "UPDATE headrace_migration SET version_num = '0999'")
    with opened(url) as registry:
        registry.apply(*shop())
    with connected(url) as connection:
        assert connection.execute(sqlalchemy.select(tables.migration.c.version_num)).scalar_one() == "0999"


def test_who_has_it_open_while_a_newer_layout_comes_writes_nothing_more(url: str) -> None:
    with contextlib.closing(SqlCatalog(url)) as catalog:
        execute(url, "UPDATE headrace_layout SET layout = 2")
        with pytest.raises(StoreError, match="newer Headrace: layout 2, not 1"):
            catalog.commit(Change(0, (Revision(Key("view", "ads", "1"), 1, "added", "{}", "ana", 0),)))
        with pytest.raises(StoreError, match="newer Headrace"):
            catalog.record(Run(Key("view", "ads", "1"), 1, 1))
        assert catalog.counter() == 0


def migrate_with(url: str, folder: Path, then: str) -> None:
    """Run a migration that adds a column and an index, and ends in another statement."""
    folder.mkdir()
    (folder / "first.py").write_text('revision, down_revision = "0001", None\ndef upgrade(): pass\n')
    (folder / "next.py").write_text(NEXT.format(then=then))
    engine = open_engine(url, 10)
    execute(url, "UPDATE headrace_migration SET version_num = '0001'")
    try:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            migrating.upgrade(connection, folder)
    finally:
        engine.dispose()


def columns(url: str) -> set[str]:
    with connected(url) as connection:
        return {each["name"] for each in sqlalchemy.inspect(connection).get_columns("headrace_runs")}


def test_a_migration_of_tables_is_whole_or_not_at_all(url: str, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        migrate_with(url, tmp_path / "migrations", "1 / 0")
    assert "rows" not in columns(url)
    with connected(url) as connection:
        assert connection.execute(sqlalchemy.select(tables.migration.c.version_num)).scalar_one() == "0001"


def test_a_migration_of_tables_runs_on_both_databases(url: str, tmp_path: Path) -> None:
    migrate_with(url, tmp_path / "migrations", "pass")
    assert "rows" in columns(url)


SECRET_URLS = {
    "postgresql://ana:hunter2@host/db": "postgresql://ana@host/db",
    "postgresql://ana:hun@ter2@host/db?a=b@c": "postgresql://ana@host/db?a=b@c",
    "s3://bucket/x.parquet?region=eu&secret_access_key=hunter2&a=b": "s3://bucket/x.parquet?region=eu&&a=b",
    "postgresql://host/db user=me password='hunter 2' a=b": "postgresql://host/db user=me  a=b",
}


def stored_with(content: str, batch: str, brokers: str) -> str:
    stored = json.loads(content)
    stored["body"]["batch"] = batch
    stored["body"]["stream"] = {"is": "stream/kafka", "topic": "ads", "brokers": brokers}
    return json.dumps(stored, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(("secret", "clean"), SECRET_URLS.items(), ids=["user", "at", "parameter", "words"])
def test_a_stored_address_loses_its_secret_and_the_registry_can_be_read(
    old: str, secret: str, clean: str
) -> None:
    of = Key("source", "ad_interactions", "1")
    revisions = tables.revisions
    of_source = revisions.c.name == of.name
    with connected(old) as connection:
        content = connection.execute(sqlalchemy.select(revisions.c.content).where(of_source)).scalar_one()
        content = stored_with(content, secret, "one:9092,me:hunter2@two:9092")
        connection.execute(revisions.update().where(of_source).values(content=content))
    with opened(old) as registry:
        read = definition_of(registry.state(), of)
    assert isinstance(read, hr.EventSource)
    assert read.batch == clean
    assert isinstance(read.stream, hr.KafkaStream)
    assert read.stream.brokers == "one:9092,me@two:9092"
    assert "hunter" not in str(rows(old))


def test_neither_a_new_nor_a_current_registry_needs_alembic(url: str) -> None:
    program = (
        "import sys\n"
        "from headrace.catalogs.sql import SqlCatalog\n"
        f"for _ in range(2): print(SqlCatalog({url!r}).snapshot().counter)\n"
        "assert not [name for name in sys.modules if name.startswith(('alembic', 'mako'))]"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert done.stdout == b"0\n0\n"
