"""What the registry's tests do in other processes: `python registry_child.py VERB URL [NUMBER]`.

A child says each step on a line of its own; where the test shall decide when it goes on, it waits for a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import sqlalchemy

from headrace.catalogs.sql import SqlCatalog
from headrace.clock import FixedClock
from headrace.errors import ConflictError, StoreError
from headrace.ports.catalog import Key
from headrace.registry.registry import Registry
from tests.registry.plain import naming, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.definitions.canonical import Document

NOBODY = 65_534
VIEWS = 20


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def wait() -> None:
    sys.stdin.readline()


def state_of(number: int) -> list[Document]:
    """Definitions that all tell one number: a registry that tells two is half-written."""
    views = [view(f"v{each}", str(number), {"x": str(number)}, owner=str(number)) for each in range(VIEWS)]
    return [
        *views,
        naming("service", "all", str(number), *(f"view:v{each}@{number}:x" for each in range(VIEWS))),
    ]


def number_of(registry: Registry) -> int:
    """The number that all definitions tell; 0 while there is none.

    Raises:
        AssertionError: They tell several, or what goes with them is missing.
    """
    entries = registry.list()
    numbers = {int(each.version) for each in entries}
    if not entries:
        assert registry.counter() == len(registry.audit()) == 0
        return 0
    (number,) = numbers
    assert number == registry.counter()
    assert len(entries) == VIEWS + 1
    assert len(registry.state().declared) == VIEWS + 1
    assert len(registry.state().entries) == number * (VIEWS + 1)
    assert len(registry.get("service", "all").members) == VIEWS
    assert {each.counter for each in registry.audit()} == set(range(1, number + 1))
    assert len(registry.audit(since=number - 1)) >= 2 * (VIEWS + 1)
    return number


def open_registry(url: str, who: str = "ana") -> Registry:
    return Registry(SqlCatalog(url), FixedClock(0), who)


def in_fork(work: Callable[[], None]) -> int:
    """Run in a process of its own; the exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - whatever it is, it must not run on as a second test
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at_each_step(url: str, _: int) -> None:
    """Apply, killed after the first statement, the second ..., until one apply gets through."""
    step = 0
    while True:
        step += 1

        def apply(step: int = step) -> None:
            registry = open_registry(url)
            plan = registry.plan(state_of(registry.counter() + 1))
            left = iter(range(step, 0, -1))

            def count(*_: Any) -> None:
                if next(left) == 1:
                    os.kill(os.getpid(), signal.SIGKILL)

            sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", count)
            sqlalchemy.event.listen(
                sqlalchemy.Engine, "commit", count
            )  # comes right before the commit itself
            registry.apply(plan)

        ended = in_fork(apply)
        say(step, ended)
        wait()
        if ended == 0:
            return


def apply_on_and_on(url: str, _: int) -> None:
    """One state after the other, each told once it is acknowledged."""
    registry = open_registry(url)
    while True:
        registry.apply(state_of(registry.counter() + 1))
        say(registry.counter())


def race(url: str, rounds: int) -> None:
    """In each round plan, wait for the others, apply; say who won."""
    registry = open_registry(url, f"process {os.getpid()}")
    for _ in range(rounds):
        plan = registry.plan(state_of(registry.counter() + 1))
        say("ready")
        wait()
        try:
            say("won", registry.apply(plan).counter)
        except ConflictError as error:
            say("lost", error.message)
        wait()


def open_at_once(url: str, number: int) -> None:
    """Several processes open a registry that is not there yet."""
    children = []
    for _ in range(number):
        child = os.fork()
        if child == 0:
            try:
                os._exit(open_registry(url).counter())
            except BaseException:  # noqa: BLE001 - as above
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        children.append(child)
    say(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


def fork_with_it_open(url: str, _: int) -> None:
    """Parent and child go on with one registry object, by turns."""
    registry = open_registry(url)
    registry.apply(state_of(1))

    def go_on() -> None:
        assert number_of(registry) == 1
        registry.apply(state_of(2))

    say(in_fork(go_on))
    say(number_of(registry))
    registry.apply(state_of(3))
    say(number_of(registry))


def as_nobody(url: str, _: int) -> None:
    """Open, read and write as a user without rights; say what came of each."""
    _loaded = SqlCatalog("sqlite://").counter()  # what is imported later must be readable, too
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        registry = open_registry(url)
        say("counter", registry.counter())
        registry.apply(state_of(registry.counter() + 1))
        say("applied")
    except StoreError as error:
        say(error)


def with_little_disk(url: str, size: int) -> None:
    """Apply while no file may grow beyond a size, until that fails; say the last number acknowledged."""
    registry = open_registry(url)
    registry.apply(state_of(1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    number = 1
    try:
        while True:
            registry.apply(state_of(number + 1))
            number += 1
    except StoreError as error:
        say(number, error)


def crowd(url: str, number: int) -> None:
    """Half of five threads write and half read, all at once; say in JSON what each did and saw."""
    said: list[dict[str, Any]] = []
    say("ready")
    wait()

    def take_part(who: str, work: Callable[[Registry, str], dict[str, Any]]) -> None:
        with contextlib.closing(SqlCatalog(url)) as catalog:
            said.append({"who": who, **work(Registry(catalog, FixedClock(0), who), who)})

    each = [(f"p{number}t{thread}", (_write, _read)[(number + thread) % 2]) for thread in range(5)]
    threads = [threading.Thread(target=take_part, args=one) for one in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(json.dumps(said))


def _write(registry: Registry, who: str) -> dict[str, Any]:
    """Apply definitions of its own, and count up a version that all writers count up."""
    written, seen = [], []
    for number in range(1, 5):
        own = [
            view(who, str(number), {"x": str(number)}),
            naming("service", who, str(number), f"view:{who}@{number}:x"),
        ]
        written.append(registry.apply(own, partial=True).counter)
        seen.append(observed(registry))
    for _ in range(2):
        while True:
            state = registry.state()
            before = [int(each) for each in state.versions("view", "shared")]
            following = str(max(before, default=0) + 1)
            planned = registry.plan([view("shared", following, {"x": following})], partial=True)
            if planned.counter != state.counter:  # others may have written it since, and even the next
                continue
            try:
                written.append(registry.apply(planned).counter)
            except ConflictError:
                continue
            break
        seen.append(observed(registry))
    return {"written": written, "seen": seen}


def _read(registry: Registry, _: str) -> dict[str, Any]:
    return {"written": [], "seen": [observed(registry) for _ in range(40)]}


def observed(registry: Registry) -> tuple[int, list[list[Any]]]:
    """The counter, and the latest revision of every version, of one look; and that they go together."""
    found = registry._catalog.snapshot()  # noqa: SLF001 - a registry keeps what it has read
    for (kind, name), stack in found.stacks.items():
        if kind == "service":
            assert stack.versions == found.stacks["view", name].versions
    assert found.declared >= {Key(*of, stack.versions[-1]) for of, stack in found.stacks.items()}
    return found.counter, sorted([*key, each.number] for key, each in found.latest.items())


if __name__ == "__main__":
    _, verb, url_, *number_ = sys.argv
    globals()[verb](url_, int(number_[0]) if number_ else 0)
