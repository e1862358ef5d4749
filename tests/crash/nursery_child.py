"""The nursery's process: all imported, nothing opened; for each request it forks a child that does the work.

So a child costs milliseconds, and each is a process of its own that may die. A request and its answer are a
line of JSON each, on standard input and output; a child talks through a pipe, a line of JSON each.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.clock import DAY
from tests.crash import impressions, ledger, mended
from tests.crash.deadly import DeadlyRegistry, DeadlyStore, Steps
from tests.project import harvest

if TYPE_CHECKING:
    import headrace as hr

NEEDED = [
    "duckdb",
    "pandas",  # Arrow asks whether values are its
    *(
        f"headrace.{name}"
        for name in ("project", "resolution", "served_requests", "registry.registry", "catalogs.sql")
    ),
    *(f"headrace.{name}" for name in ("stores.lmdb", "engines.local.engine", "offline.historical")),
    *(f"headrace.{name}" for name in ("online.loading", "online.serve", "ingesting")),
    *(f"headrace.streams.{name}" for name in ("json_lines", "kafka", "redis_streams")),
]
"""What children import, there before they are born."""


class Child:
    """What a child is asked, and how it answers."""

    def __init__(self, pipe: int, directory: str, steps: Steps) -> None:
        self._pipe = pipe
        self.directory = Path(directory)
        self.steps = steps

    def say(self, word: str, about: Any = None) -> None:
        line = json.dumps([word, about]).encode() + b"\n"
        while line:
            line = line[os.write(self._pipe, line) :]

    def opened(self, of: Any = ledger) -> Any:
        """The project, its store and registry counting steps from here on."""
        store = of.opened(self.directory)
        parts = store._parts  # noqa: SLF001 - where the facade keeps what is counted here
        parts.online = DeadlyStore(parts.online, self.steps)
        parts.registry = DeadlyRegistry(parts.registry, self.steps)
        self.say("begin")
        return store


def build(child: Child) -> None:
    ledger.build(child.directory)


def history(child: Child) -> None:
    child.say("answers", ledger.history(child.directory))


def materialize(child: Child) -> None:
    with child.opened() as store:
        store.materialize(end=ledger.SECOND)
        child.say("steps", child.steps.names)


def push(child: Child, first: int = 0) -> None:
    with child.opened() as store:
        for number, batch in enumerate(ledger.batches()[first:], start=first):
            pushed = store.push("payments", ledger.table(batch))
            child.say("acknowledged", [number, pushed.accepted, pushed.duplicates, pushed.late])
        child.say("steps", child.steps.names)


def load_again(child: Child) -> None:
    """See what is left, load, and see what it came to."""
    with ledger.opened(child.directory) as store:
        look(child, store)
        store.materialize(end=ledger.SECOND)
        look(child, store)


def send_again(child: Child) -> None:
    """See what is left, push all batches again, as one does who does not know which arrived, and see."""
    with ledger.opened(child.directory) as store:
        look(child, store)
        for batch in ledger.batches():
            pushed = store.push("payments", ledger.table(batch))
            child.say("again", [pushed.accepted, pushed.duplicates])
        look(child, store)


def harvest_days(child: Child, seed: int) -> None:
    """Load day by day, from the first day on that is not loaded."""
    rows = harvest.log(seed)
    with child.opened(harvest) as store:
        while (day := harvest.loaded_days(store)) < harvest.DAYS:
            harvest.write(child.directory, day, rows)
            full = [each.full for each in store.materialize(end=harvest.START + (day + 1) * DAY)]
            child.say("loaded", [day, full])


def replay(child: Child) -> None:
    """Push again what is in quarantine."""
    with child.opened(mended) as store:
        store.replay("orders")
        child.say("steps", child.steps.names)


def ingest(child: Child, worker: str, quiet: float = 0.3) -> None:
    """Take all a stream has until it is quiet, sharing its partitions with workers of the same name."""
    (child.directory / f"pid {worker}").write_text(str(os.getpid()))
    with child.opened(impressions) as store:
        lane = impressions.lane(store, worker, child.steps)
        impressions.drain(lane, quiet)
        lane.close()
        child.say("steps", child.steps.names)
        child.say("counts", {**lane.counts.messages, "failures": lane.counts.failures})


def look(child: Child, store: hr.FeatureStore) -> None:
    child.say("served", ledger.served(store))
    child.say("answers", ledger.answers(store))
    child.say("contents", ledger.contents(store))
    child.say("runs", {str(key): run.end for key, run in store.registry.runs().items()})


VERBS = {
    each.__name__: each
    for each in (build, history, materialize, push, load_again, send_again, harvest_days, replay, ingest)
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, let the child work, kill it if asked; what it said, and how it ended."""
    pipe, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(pipe)
        work(end, request)
    os.close(end)
    said, seconds = listen(pipe, pid, request.get("kill_after"))
    os.close(pipe)
    _, status = os.waitpid(pid, 0)
    return {
        "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        "ok": status == 0,
        "said": [json.loads(line) for line in said.splitlines()],
        "seconds": seconds,
    }


def work(pipe: int, request: dict[str, Any]) -> None:
    child = Child(pipe, request["directory"], _steps(request))
    try:
        VERBS[request["verb"]](child, *request["arguments"])
    except BaseException:  # noqa: BLE001 - the parent's frames must not go on here
        child.say("error", traceback.format_exc())
        os._exit(1)
    os._exit(0)


def _steps(request: dict[str, Any]) -> Steps:
    at, sent = request.get("fatal"), signal.SIGKILL
    if (pause := request.get("pause")) is not None:
        at, sent = pause, signal.SIGSTOP
    if at is None:
        return Steps()
    return Steps(at if isinstance(at, int) else (at[0], at[1]), sent)


def listen(pipe: int, pid: int, kill_after: float | None) -> tuple[bytes, float]:
    """All that a child says until it ends; killed so many seconds after it said its first line."""
    said, begun = b"", 0.0
    while True:
        left = None if kill_after is None or not begun else begun + kill_after - time.monotonic()
        if left is not None and (left <= 0 or not select.select([pipe], [], [], left)[0]):
            os.kill(pid, signal.SIGKILL)
            kill_after = None
        part = os.read(pipe, 1 << 16)
        begun = begun or time.monotonic()
        if not part:
            return said[: said.rfind(b"\n") + 1], time.monotonic() - begun
        said += part


if __name__ == "__main__":
    for needed in NEEDED:
        importlib.import_module(needed)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
