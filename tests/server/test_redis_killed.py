"""Redis is killed under load and comes back, empty or with what it held before: no answer is ever wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import redis as driver

from tests.server.counted import QUESTION, build, pushed, seen
from tests.server.serving import served
from tests.services.redis import CLUSTER, redis, redis_cluster
from tests.services.server import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENTS = 4
BACK_WITHIN = 2.0
"""Seconds after which, Redis being back, there is no error any more."""
FAST = 2.0
"""Seconds in which an error is told."""
PATIENCE = 30.0
LOADED = 1
"""Events of each user in the batch that is loaded."""


class Told(NamedTuple):
    """One answer.

    Attributes:
        sent: When it was asked for, by the monotonic clock.
        came: When it was there.
        status: Of HTTP.
        events: What it says of each user, by each feature; empty for an error.
        text: What an error says.
    """

    sent: float
    came: float
    status: int
    events: list[list[int]]
    text: str


class Load:
    """Clients that ask the same again and again, and one that pushes; all that was told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[Told] = []
        self.pushes = 0
        self._stop = asyncio.Event()

    async def ask(self, client: httpx.AsyncClient) -> None:
        while not self._stop.is_set():
            sent = time.monotonic()
            answer = await client.post("/get-online-features", json=QUESTION)
            good = answer.status_code == 200
            events = seen(answer.json()) if good else []
            text = "" if good else answer.text
            self.told.append(Told(sent, time.monotonic(), answer.status_code, events, text))

    async def push(self, client: httpx.AsyncClient, many: int = 1) -> None:
        for _ in range(many):
            answer = await client.post("/push", json={"source": "events", "rows": pushed(self.pushes)})
            assert answer.status_code == 200, answer.text
            self.pushes += 1

    async def until(self, least: int) -> None:
        """Wait until answers have seen so many pushes, and some more have come."""

        def there() -> bool:
            return bool(self.told and self.told[-1].events and self.told[-1].events[0][0] >= LOADED + least)

        await waited(there)
        await self.more(20)

    async def more(self, many: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.told) + many
        await waited(lambda: len(self.told) >= wanted)

    def end(self) -> None:
        self._stop.set()


async def waited(condition: Callable[[], bool]) -> None:
    """Wait for a condition, while others go on."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for is no event of this process
            await asyncio.sleep(0.005)


class Node:
    """A Redis, or a node of a cluster, to be killed and to come back."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.port = urlsplit(url).port or 0
        self.stack = stack
        with self.asked() as client:
            self.home = Path(client.config_get("dir")["dir"])
        self.words = ["--dir", str(self.home)]
        self.ports: list[int] = []
        for nodes in self.home.glob("*.conf"):  # a node of a cluster
            self.ports = ports_of(self.port)
            self.words += [*CLUSTER, "--cluster-config-file", nodes.name]

    @contextmanager
    def asked(self) -> Iterator[Any]:
        with driver.Redis(port=self.port) as client:
            yield client

    def snapshot(self) -> None:
        with self.asked() as client:
            client.save()

    def kill(self) -> None:
        with self.asked() as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)

    def start(self, *, old: bool) -> None:
        """Start again, with the snapshot or with nothing; returns when it answers, and its cluster."""
        if not old:
            (self.home / "dump.rdb").unlink()
        self.stack.enter_context(redis(*self.words, at=self.port))
        give_up = time.monotonic() + PATIENCE
        while not all(map(whole, self.ports)):
            assert time.monotonic() < give_up
            time.sleep(POLL_SECONDS)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


ONLY_IN_SOAK = pytest.mark.soak(only=True)


@pytest.mark.parametrize(
    ("kind", "fallback", "old"),
    [
        ("single", False, True),
        ("single", True, True),
        pytest.param("single", False, False, marks=ONLY_IN_SOAK),
        pytest.param("single", True, False, marks=ONLY_IN_SOAK),
        ("cluster", False, True),
        pytest.param("cluster", True, False, marks=ONLY_IN_SOAK),
        pytest.param("cluster", False, False, marks=ONLY_IN_SOAK),
        pytest.param("cluster", True, True, marks=ONLY_IN_SOAK),
    ],
)
def test_redis_is_killed_under_load(
    tmp_path: Path, stack: ExitStack, kind: str, *, fallback: bool, old: bool
) -> None:
    url = stack.enter_context(redis() if kind == "single" else redis_cluster())
    address = url.replace("redis://", "redis+cluster://") if kind == "cluster" else url
    online = [f'url = "{address}"', "timeout = 1"]
    project = build(tmp_path / "counted", *online, *(['fallback = "lmdb:///.headrace/online"'] * fallback))
    node = Node(killable(url, kind), stack)
    client = stack.enter_context(served(project))
    load = Load(str(client.base_url))
    killed, back = asyncio.run(drive(load, node, old=old))
    after = [told for told in load.told if told.sent > back]
    wrong = [told for told in load.told if told.status == 200 and not right(told, load.pushes, kind)]
    assert not wrong, wrong[:3]
    errors = [told for told in load.told if told.status != 200]
    late = [told for told in errors if told.sent > back + BACK_WITHIN]
    assert not late, late[:3]
    assert after[-1].events[0] == [LOADED + load.pushes] * 4
    lowest = min((told.events[0][0] for told in after if told.events), default=0)
    assert lowest >= LOADED + 12, "what was there when it was killed is there in every answer after"
    if fallback:
        assert not errors, errors[:3]
    else:
        assert errors
        assert {told.status for told in errors} == {503}
        assert all("Redis" in told.text for told in errors), errors[:3]
        assert max(told.came - told.sent for told in errors) < FAST
    last = max((told.came for told in errors), default=back)
    print(  # noqa: T201
        f"{kind} fallback={fallback} old={old}: {len(load.told)} answers, {len(errors)} errors in "
        f"{back - killed:.2f} s away; the last {last - back:.2f} s after its return; slowest error "
        f"{max((told.came - told.sent for told in errors), default=0):.2f} s"
    )


def killable(url: str, kind: str) -> str:
    """The Redis to kill: of a cluster one that the server does not need to find the others."""
    if kind == "single":
        return url
    port = urlsplit(url).port or 0
    return f"redis://127.0.0.1:{next(each for each in ports_of(port) if each != port)}"


def ports_of(node: int) -> list[int]:
    """The ports of a cluster's nodes, by one of them."""
    with driver.Redis(port=node) as client:
        return sorted(int(name.rpartition(":")[2]) for name in client.cluster("nodes"))


def whole(node: int) -> bool:
    """Whether a node sees its cluster whole."""
    with driver.Redis(port=node) as client:
        told: dict[str, str] = client.execute_command("CLUSTER INFO")
    return told["cluster_state"] == "ok"


def right(told: Told, pushes: int, kind: str) -> bool:
    """Whether an answer is of one state, one that there was."""
    for of_user in told.events:
        counts, again = of_user[:2], of_user[2:]
        if len(set(counts)) > 1 or len(set(again)) > 1 or not LOADED <= min(of_user) <= LOADED + pushes:
            return False
        if kind == "single" and counts != again:
            return False
    return kind == "cluster" or len({tuple(each) for each in told.events}) == 1


async def drive(load: Load, node: Node, *, old: bool) -> tuple[float, float]:
    """Ask and push, kill, push, start, push; when it was killed, and when it answered again."""
    async with httpx.AsyncClient(base_url=load.url, timeout=60) as client, asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(load.ask(client))
        await load.push(client, 2)
        await load.until(2)
        await asyncio.to_thread(node.snapshot)
        await load.push(client, 10)
        await load.until(12)
        await asyncio.to_thread(node.kill)
        killed = time.monotonic()
        await load.push(client)
        await load.more(20)
        await asyncio.to_thread(node.start, old=old)
        back = time.monotonic()
        await load.until(13)
        await load.push(client, 3)
        await load.until(16)
        while time.monotonic() < back + BACK_WITHIN + 1:
            await load.more(20)
        load.end()
    return killed, back
