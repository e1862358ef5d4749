"""The services that other tests stand on: each way of getting one works, and none outlives its run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy

from tests.services.postgres import packaged_binaries, postgres, system_binaries
from tests.services.redis import packaged_binary, redis, system_binary
from tests.services.server import LEASH, Command, ServiceFailed, running

if TYPE_CHECKING:
    from pathlib import Path

POSTGRESES = {
    name: found() for name, found in {"system": system_binaries, "packaged": packaged_binaries}.items()
}
REDISES = {name: found() for name, found in {"system": system_binary, "packaged": packaged_binary}.items()}


@pytest.mark.parametrize("where", [name for name, binaries in POSTGRESES.items() if binaries])
def test_each_postgres_found_takes_a_transaction(where: str) -> None:
    binaries = POSTGRESES[where]
    assert binaries is not None
    with postgres(binaries) as server:
        engine = sqlalchemy.create_engine(server.url("postgres"))
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE kept (n integer)"))
            connection.execute(sqlalchemy.text("INSERT INTO kept VALUES (7)"))
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT n FROM kept")).scalar_one() == 7
        engine.dispose()
    assert not server.answers()


@pytest.mark.parametrize("where", [name for name, binary in REDISES.items() if binary])
def test_each_redis_found_answers_and_is_gone_afterwards(where: str) -> None:
    import redis as driver

    binary = REDISES[where]
    assert binary is not None
    with redis(server=binary) as url, driver.Redis.from_url(url) as client:
        client.set("k", b"\x00v")
        assert client.get("k") == b"\x00v"
    with driver.Redis.from_url(url) as client, pytest.raises(driver.ConnectionError):
        client.ping()


def test_a_test_database_is_its_own_and_empty(postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()


def test_redis_starts_empty(redis_url: str) -> None:
    import redis as driver

    with driver.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_server_that_ends_at_once_fails_with_its_log(tmp_path: Path) -> None:
    command = Command([sys.executable, "-c", "print('no such disk'); raise SystemExit(3)"])
    with (
        pytest.raises(ServiceFailed, match=r"status 3(.|\n)*no such disk"),
        running(command, tmp_path / "log", lambda: False),
    ):
        pytest.fail("It never answered.")


def test_a_server_ends_when_the_run_that_holds_it_is_killed(tmp_path: Path) -> None:
    # Only the closing of the pipe can tell the leash; the server's own output then ends too.
    server = "import signal\nprint('up', flush=True)\nsignal.pause()"
    holder = (
        "import subprocess, sys, signal\n"
        f"words = [{str(LEASH)!r}, 'SIGTERM', '5', '-', sys.executable, '-c', {server!r}]\n"
        "leash = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
        with contextlib.closing(process.stdout) as output:
            assert output.read() == b""  # ends only when the last writer, the server, is gone
