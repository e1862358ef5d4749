"""The servers that are put under load: a bare one, and Headrace over LMDB and over Redis.

Each function starts its server, asks it once, and returns the call that loads it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import ours
from bench.experiment import NotThereYetError
from bench.rivals.in_redis import URL, a_redis
from bench.serving import load
from bench.serving.loaded import Loaded
from bench.serving.processes import free_port, processor_seconds, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.inputs import Inputs

PATH: Final = "/get-online-features"
CLIENTS: Final = 8
"""Connections of the closed load: enough that the server never waits for the generator."""
CONNECTIONS: Final = 64
"""Connections of the open load: enough that requests wait in the server, not for a connection."""
WARM_SECONDS: Final = 0.7
CLOSED_SECONDS: Final = 2.0
OPEN_SECONDS: Final = 2.0
SHARE: Final = 0.7
"""Of the closed load's requests a second: how many come under the open load."""
REQUESTS: Final = 200


def require() -> None:
    """Say what is missing before anything is measured.

    Raises:
        NotThereYetError: The server's packages are not installed.
    """
    try:
        importlib.import_module("headrace.server.running")
        importlib.import_module("uvloop")
    except ImportError as error:
        raise NotThereYetError(f"The server is not installed: {error}") from error


def bare(inputs: Inputs) -> Callable[[], Loaded]:
    """An application that answers `{}` to the smallest request of the experiment."""
    port = free_port()
    started = started_server([sys.executable, "-m", "bench.serving.bare", port], port)
    return under_load(started, port, requests_for(inputs, 1, ours.references_of_profiles(inputs)))


def latest(inputs: Inputs, *, entities: int = 1, redis: bool = False) -> Callable[[], Loaded]:
    """Headrace: all profile columns of some users."""
    _in(redis=redis)
    return _headrace(ours.loaded_profiles(inputs), inputs, entities, {})


def windowed(inputs: Inputs, *, entities: int = 1, redis: bool = False) -> Callable[[], Loaded]:
    """Headrace: ten aggregates over four windows of some users, full of tiles."""
    _in(redis=redis)
    return _headrace(ours.loaded_events(inputs), inputs, entities, {"as_of": ours.full_instant(inputs)})


def _in(*, redis: bool) -> None:
    """Choose the store of this process and of the servers it starts."""
    if redis:
        os.environ[URL] = a_redis()


def _headrace(
    loaded: tuple[Any, Sequence[str]], inputs: Inputs, entities: int, more: Mapping[str, Any]
) -> Callable[[], Loaded]:
    store, names = loaded
    home = store.settings.directory
    store.close()
    port = free_port()
    words = [sys.executable, "-m", "headrace.cli", "serve", "--project", home, "--port", port]
    return under_load(started_server(words, port), port, requests_for(inputs, entities, names, more))


def started_server(words: Sequence[object], port: int, home: Path | None = None, **environment: str) -> int:
    """The process id of a server that ends with this process."""
    running = contextlib.ExitStack()
    atexit.register(running.close)
    logs = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="hr-bench-")))
    return running.enter_context(serving(words, port, logs / "log", environment, home))


def requests_for(
    inputs: Inputs, entities: int, names: Sequence[str], more: Mapping[str, Any] | None = None
) -> list[bytes]:
    """Requests for features of users, in turn."""
    users = itertools.cycle(range(inputs.log.users))
    bodies = (
        {
            "features": list(names),
            "entities": {"user_id": [next(users) for _ in range(entities)]},
            **(more or {}),
        }
        for _ in range(REQUESTS)
    )
    return [load.post(PATH, json.dumps(body).encode()) for body in bodies]


def under_load(server: int, port: int, requests: Sequence[bytes]) -> Callable[[], Loaded]:
    """The call that loads a server, which has been asked for a moment before.

    Args:
        server: Its process id.
        port: Where it listens.
        requests: What it is asked.
    """
    load.closed(port, requests, CLIENTS, WARM_SECONDS)

    def measure() -> Loaded:
        before = processor_seconds(server)
        closed = load.closed(port, requests, CLIENTS, CLOSED_SECONDS)
        busy = processor_seconds(server) - before
        come = load.opened(port, requests, CONNECTIONS, OPEN_SECONDS, SHARE * closed.rate)
        return Loaded(closed, come, busy / closed.requests)

    return measure
