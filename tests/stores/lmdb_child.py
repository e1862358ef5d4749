"""What the tests of LMDB do in another process: `python lmdb_child.py VERB PATH [NUMBER]`.

A child says each step on a line of its own; where the test shall decide when it goes on, it waits for a line.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING

from headrace.errors import StoreError
from headrace.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = [b"k%04d" % number for number in range(200)]
NOBODY = 65_534


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def wait() -> None:
    sys.stdin.readline()


def value(number: int) -> bytes:
    return b"%08d" % number * 60


def write_slowly(path: str, _: int) -> None:
    """One transaction of many steps that ends when the test says so."""
    with LmdbStore(path, sync="kill") as store:
        with store.transaction() as change:
            for key in KEYS:
                change.multi_put([(key, b"new")])
            change.delete_prefix(b"gone")
            say("written")
            wait()
        say("committed")
        wait()


def write_for_ever(path: str, seed: int) -> None:
    """One number in all records, then the next; killed at a moment of its own or of the test's choice."""
    draw = random.Random(seed)
    store = LmdbStore(path, sync="kill")
    first = int((store.multi_get(KEYS[:1])[0] or b"0")[:8]) + 1
    fatal, step = first + draw.randrange(3), draw.randrange(2 * len(KEYS))
    for number in itertools.count(first):
        with store.transaction() as change:
            for done, key in enumerate(KEYS):
                change.multi_put([(key, value(number))])
                if (number, done) == (fatal, step):
                    os.kill(os.getpid(), signal.SIGKILL)
            if number == fatal:  # a step beyond the last: die somewhere in the commit
                threading.Thread(target=die_after, args=(draw.randrange(3_000),)).start()
        say(number)


def die_after(turns: int) -> None:
    for _ in range(turns):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def read_as_told(path: str, _: int) -> None:
    """Read whenever the test says so, in a snapshot from the beginning and outside it."""
    with LmdbStore(path, readonly=True) as store:
        with store.snapshot() as view:
            old = list(view.scan(b""))
            say(len(old))
            wait()
            say(list(view.scan(b"")) == old)
        for _ in range(2):
            wait()
            say(sum(len(value) for _, value in store.scan(b"")))


def hold_snapshots(path: str, count: int) -> None:
    """Hold as many snapshots as can be had, then wait to be killed."""
    store = LmdbStore(path, readonly=True)
    views = [store.snapshot() for _ in range(count)]
    for view in views:
        try:
            view.__enter__()
        except StoreError as error:
            say(error)
    say("held")
    wait()


def grow(path: str, megabytes: int) -> None:
    """Make the store larger than the reader's map, and wait."""
    with LmdbStore(path, sync="kill") as store:
        for number in range(megabytes):
            store.multi_put([(b"large/%d" % number, b"x" * (1 << 20))])
        say("grown")
        wait()


def put(path: str, number: int) -> None:
    """Write one record."""
    with LmdbStore(path, sync="kill") as store:
        store.multi_put([(b"n", b"%d" % number)])
    say("put")


def fill_the_disk(path: str, megabytes: int) -> None:
    """Write until the files may not become larger, then read, make room, and go on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes << 20, megabytes << 20))
    with LmdbStore(path) as store:
        store.multi_put([(b"a", b"1"), (b"b", b"1")])
        try:
            store.multi_put([(b"a", b"2"), *((b"x%d" % n, b"x" * (1 << 20)) for n in range(2 * megabytes))])
        except StoreError as error:
            say(error)
        say(sorted(store.scan(b"")))
        store.multi_put([(b"b", b"3")])
        say(store.multi_get([b"a", b"b"]))


def begin_on_a_full_disk(path: str, limit: int) -> None:
    """Make a store where no file may be larger than this many bytes, and then without the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        LmdbStore(path)
    except StoreError as error:
        say(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    with LmdbStore(path) as store:
        store.multi_put([(b"a", b"1")])
        say(store.multi_get([b"a"]))


def open_as_nobody(path: str, readonly: int) -> None:
    """Open the store as a user who may not write its directory."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    try:
        LmdbStore(path, readonly=bool(readonly))
    except StoreError as error:
        say(error)


def fork(path: str, _: int) -> None:
    """Use one handle in parent and child, and end the parent's blocks in the child."""
    store = LmdbStore(path, sync="kill")
    store.multi_put([(b"a", b"1")])
    store.multi_get([b"a"])
    in_child(
        lambda: store.multi_put([(b"child", b"".join(v or b"?" for v in store.multi_get([b"a", b"a"])))])
    )
    assert store.multi_get([b"child"]) == [b"11"]

    def use_view() -> None:
        with refused("forked"):
            view.multi_get([b"a"])
        with refused("forked while"):
            store.multi_get([b"a"])
        with refused("forked while"):
            LmdbStore(path)

    with store.snapshot() as view:
        in_child(use_view)
        store.multi_put([(b"a", b"2")])
        assert view.multi_get([b"a"]) == [b"1"]

    def end_block() -> None:
        with refused("forked"):
            change.multi_put([(b"a", b"child")])
        with refused("forked"):
            change.__exit__(None, None, None)

    with store.transaction() as change:
        change.multi_put([(b"a", b"3")])
        in_child(end_block)
        assert store.multi_get([b"a"]) == [b"2"]
    assert store.multi_get([b"a"]) == [b"3"]

    # Forks while other threads read and write leave child and parent with a store that works, or say why not.
    stop = threading.Event()
    threads = [threading.Thread(target=busy, args=(store, number, stop)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        in_child(lambda: try_to_read(store))
        assert store.multi_get([b"a"]) == [b"3"]
    stop.set()
    for thread in threads:
        thread.join()
    store.close()
    say("ok")


def busy(store: LmdbStore, number: int, stop: threading.Event) -> None:
    for step in itertools.count():
        if stop.is_set():
            return
        store.multi_put([(b"busy%d" % number, b"%d" % step)])
        assert store.multi_get([b"busy%d" % number]) == [b"%d" % step]


def try_to_read(store: LmdbStore) -> None:
    try:
        assert store.multi_get([b"a"]) == [b"3"]
    except StoreError as error:
        assert "forked while" in str(error)  # noqa: PT017 - no test but a child of one


class refused:  # noqa: N801 - reads as a statement
    """Expects a StoreError that says this."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        assert isinstance(error, StoreError), error
        assert self.text in str(error), error
        return True


def in_child(work: Callable[[], object]) -> None:
    """Do this in a fork, and fail if it fails."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent's frames must not go on here
            sys.stderr.write(f"in the child: {error!r}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


if __name__ == "__main__":
    verb = sys.argv[1]
    globals()[verb](sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
