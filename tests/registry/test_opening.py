"""Opening a registry that is not there, not ours, newer, damaged, locked, forbidden or out of reach."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy

from headrace.catalogs.sql import SqlCatalog
from headrace.errors import StoreError
from headrace.ports.catalog import Change, Key, Revision
from tests.registry.registry_child import state_of
from tests.registry.test_processes import child, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

REVISION = Revision(Key("view", "ads", "1"), 1, "added", "{}", "ana", 0)


def refused(url: str, message: str) -> StoreError:
    """The error of opening, which says what is wrong and what to do."""
    with pytest.raises(StoreError, match=message) as caught:
        SqlCatalog(url, patience=0.1)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def execute(url: str, *statements: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/registry.db"


def test_a_directory_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/some/where/registry.db")) as catalog:
        assert catalog.counter() == 0


def test_an_empty_file_becomes_a_registry(tmp_path: Path) -> None:
    (tmp_path / "registry.db").touch()
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/registry.db")) as catalog:
        assert catalog.counter() == 0


def test_many_threads_may_open_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    start = threading.Barrier(8, timeout=60)
    opened: list[int] = []

    def open_all() -> None:
        for number in range(40):
            start.wait()
            with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/{number}.db")) as catalog:
                opened.append(catalog.counter())

    threads = [threading.Thread(target=open_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [0] * 320


def test_a_newer_layout_is_refused_and_left_alone(url: str) -> None:
    SqlCatalog(url).close()
    execute(url, "UPDATE headrace_layout SET layout = 99")
    error = refused(url, "newer Headrace: layout 99, not 1")
    assert error.remedy == "Upgrade: pip install --upgrade headrace."
    execute(url, "UPDATE headrace_layout SET layout = 1")
    SqlCatalog(url).close()


@pytest.mark.parametrize(
    "statement", ["DELETE FROM headrace_layout", "INSERT INTO headrace_layout VALUES (2)"]
)
def test_a_registry_without_one_layout_is_damaged(url: str, statement: str) -> None:
    SqlCatalog(url).close()
    execute(url, statement)
    refused(url, "does not say its layout: it is damaged")


def test_somebody_else_s_sqlite_file_is_refused_and_left_alone(tmp_path: Path, sqlite: str) -> None:
    execute(sqlite, "CREATE TABLE experiments (id integer)")
    before = (tmp_path / "registry.db").read_bytes()
    assert refused(sqlite, "holds other tables").available == ("experiments",)
    with contextlib.closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("experiments",)]
    assert len((tmp_path / "registry.db").read_bytes()) == len(before)


def test_a_postgres_database_may_hold_other_tables(postgres_url: str) -> None:
    execute(postgres_url, "CREATE TABLE experiments (id integer)")
    with contextlib.closing(SqlCatalog(postgres_url)) as catalog:
        assert catalog.counter() == 0


def test_a_postgres_table_of_our_name_without_a_layout_is_refused(postgres_url: str) -> None:
    execute(postgres_url, "CREATE TABLE headrace_audit (id integer)")
    assert refused(postgres_url, "holds other tables").available == ("headrace_audit",)


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n" * 500, b"SQLite format 3\0" + b"\xff" * 5_000], ids=["text", "damaged"]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, sqlite: str, content: bytes) -> None:
    (tmp_path / "registry.db").write_bytes(content)
    refused(sqlite, "is not a Headrace registry, or it is damaged")
    assert (tmp_path / "registry.db").read_bytes() == content


def test_a_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    refused(f"sqlite:///{tmp_path}", "cannot be opened")


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(f"sqlite:///{tmp_path}/file/registry.db", "cannot be opened")


def test_a_registry_that_another_program_holds_is_refused_after_waiting(tmp_path: Path, sqlite: str) -> None:
    SqlCatalog(sqlite).close()
    with contextlib.closing(SqlCatalog(sqlite, patience=0.1)) as catalog:
        with contextlib.closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert catalog.snapshot().counter == 0  # readers do not wait
            with pytest.raises(StoreError, match="held by another program"):
                catalog.commit(Change(0, (REVISION,)))
        assert catalog.commit(Change(0, (REVISION,))) == 1


def test_a_postgres_registry_that_another_program_holds_is_refused_after_waiting(postgres_url: str) -> None:
    with contextlib.closing(SqlCatalog(postgres_url, patience=0.1)) as catalog:
        engine = sqlalchemy.create_engine(postgres_url)
        with engine.begin() as holder:
            holder.execute(sqlalchemy.text("UPDATE headrace_state SET counter = counter"))
            assert catalog.snapshot().counter == 0
            with pytest.raises(StoreError, match="held by another program"):
                catalog.commit(Change(0, (REVISION,)))
        engine.dispose()
        assert catalog.commit(Change(0, (REVISION,))) == 1


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory that every user can reach, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="hr-registry-") as made:
        Path(made).chmod(0o755)
        yield Path(made)
        Path(made).chmod(0o755)


def said_to_nobody(url: str) -> list[str]:
    with child("as_nobody", url) as nobody:
        return nobody.process.communicate()[0].splitlines()


def test_a_directory_that_may_not_be_written_is_refused(everybodys: Path) -> None:
    everybodys.chmod(0o555)
    (said,) = said_to_nobody(f"sqlite:///{everybodys}/registry.db")
    assert "cannot be opened" in said
    assert "Give this user read and write access" in said
    (said,) = said_to_nobody(f"sqlite:///{everybodys}/sub/registry.db")
    assert "write access" in said


def test_a_file_that_may_not_be_read_is_refused(everybodys: Path) -> None:
    SqlCatalog(f"sqlite:///{everybodys}/registry.db").close()
    (everybodys / "registry.db").chmod(0)
    (said,) = said_to_nobody(f"sqlite:///{everybodys}/registry.db")
    assert "cannot be opened" in said


def test_a_file_that_may_not_be_written_says_so_when_it_is_applied_to(everybodys: Path) -> None:
    url = f"sqlite:///{everybodys}/registry.db"
    with opened(url) as registry:
        registry.apply(state_of(1))
    (everybodys / "registry.db").chmod(0o444)
    everybodys.chmod(0o777)
    counter, said = said_to_nobody(url)
    assert counter == "counter 1"
    assert "cannot be written" in said
    assert "Give this user write access" in said


def test_a_registry_in_a_directory_that_may_not_be_written_is_refused(everybodys: Path) -> None:
    url = f"sqlite:///{everybodys}/registry.db"
    SqlCatalog(url).close()
    (everybodys / "registry.db").chmod(0o444)
    everybodys.chmod(0o555)
    said = said_to_nobody(url)
    assert "cannot be" in said[-1]
    assert "access" in said[-1]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ana:secret@127.0.0.1:1/db", "cannot be reached"),
        ("postgres://ana:secret@127.0.0.1:1/db", "cannot be reached"),
        ("postgresql://ana:secret@nowhere.invalid/db", "cannot be reached"),
        ("mysql://ana:secret@localhost/db", "cannot live in mysql"),
        ("secret", "is not a database URL"),
        ("://ana:secret", "is not a database URL"),
        ("postgresql://ana:secret@localhost:port/db", "is not a database URL"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_its_password(url: str, message: str) -> None:
    error = refused(url, message)
    assert "secret" not in str(error)
    assert "secret" not in repr(error.__dict__)


def test_a_database_that_the_server_does_not_have_is_refused(postgres_url: str) -> None:
    refused(postgres_url.replace("/test_", "/none_"), "does not let us in")


def test_a_postgres_user_who_may_not_create_tables_is_refused(postgres_url: str) -> None:
    execute(postgres_url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    refused(postgres_url.replace("postgres@", "guest@"), "cannot be written")
    execute(postgres_url, "DROP ROLE guest")


def test_tables_that_somebody_dropped_are_an_error_of_the_store(url: str) -> None:
    with contextlib.closing(SqlCatalog(url)) as catalog:
        execute(url, "DROP TABLE headrace_audit")
        with pytest.raises(StoreError, match="headrace_audit"):
            catalog.events()


def test_without_the_driver_the_remedy_is_to_install_it() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from headrace.catalogs.sql import SqlCatalog\n"
        "from headrace.errors import StoreError\n"
        "try: SqlCatalog('postgresql://localhost/db')\n"
        "except StoreError as error: print(error.remedy)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "Install it: pip install 'headrace[postgres]'.\n"


@pytest.mark.parametrize("content", ["{}", "[]", "not JSON", '{"body": 1}'])
def test_content_that_other_hands_changed_is_an_error_of_the_store(url: str, content: str) -> None:
    with opened(url) as registry:
        registry.apply(state_of(1))
        execute(
            url, f"UPDATE headrace_revisions SET content = '{content}' WHERE name = 'v3'".replace(":", "\\:")
        )
    with (
        opened(url) as registry,
        pytest.raises(StoreError, match="view v3@1 cannot be read from the registry"),
    ):
        registry.list()
