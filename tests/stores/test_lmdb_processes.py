"""Several processes on one LMDB store: reading during a write, death, growth, forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.stores.lmdb import LmdbStore
from tests.children import started
from tests.stores.lmdb_child import KEYS, value

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.children import Child

CHILD = Path(__file__).with_name("lmdb_child.py")


def child(verb: str, path: Path, number: int = 0) -> AbstractContextManager[Child]:
    """A process that runs one verb of lmdb_child.py."""
    return started(CHILD, verb, path, number)


def finish(verb: str, path: Path, number: int = 0) -> list[str]:
    """The lines of a child that ends by itself."""
    command = [sys.executable, str(CHILD), verb, str(path), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_readers_go_on_during_another_process_s_transaction(tmp_path: Path) -> None:
    old = [(b"gone", b"old"), *((key, b"old") for key in KEYS)]
    with LmdbStore(tmp_path, sync="kill") as store:
        store.multi_put(old)
        with child("write_slowly", tmp_path) as writer:
            assert writer.hear() == "written"
            assert list(store.scan(b"")) == old
            assert store.multi_get([b"gone", KEYS[0]]) == [b"old", b"old"]
            store.close()
            with LmdbStore(tmp_path, sync="kill") as another:  # opening waits for nobody either
                with another.snapshot() as view:
                    writer.go_on()
                    assert writer.hear() == "committed"
                    assert list(view.scan(b"")) == old
                assert list(another.scan(b"")) == [(key, b"new") for key in KEYS]
                writer.go_on()


def test_a_killed_writer_leaves_the_last_committed_state_whole(tmp_path: Path, seed: int) -> None:
    last = 0
    with LmdbStore(tmp_path, sync="kill") as store:
        store.multi_put([(key, value(0)) for key in KEYS])
        for number in range(30):
            with child("write_for_ever", tmp_path, seed + number) as writer:
                said = [int(line) for line in iter(writer.hear, "")]
            assert said == list(range(last + 1, last + 1 + len(said)))
            values = set(store.multi_get(KEYS))
            acknowledged = last + len(said)
            assert values in ({value(acknowledged)}, {value(acknowledged + 1)})
            last = int((values.pop() or b"")[:8])
        store.multi_put([(b"still writable", b"1")])
        assert len(list(store.scan(b""))) == len(KEYS) + 1


def test_readers_follow_a_map_that_another_process_makes_larger(tmp_path: Path) -> None:
    with LmdbStore(tmp_path, sync="kill", map_size=1 << 16) as store:
        store.multi_put([(b"a", b"1")])
        with child("read_as_told", tmp_path) as reader:
            assert reader.hear() == "1"
            for number in range(20):
                store.multi_put([(b"large/%d" % number, b"x" * (1 << 20))])
            reader.go_on()
            assert reader.hear() == "True"  # the snapshot's state
            reader.go_on()
            assert reader.hear() == str(1 + (20 << 20))
            with child("grow", tmp_path, 50) as other:
                assert other.hear() == "grown"
                reader.go_on()
                assert reader.hear() == str(1 + (50 << 20))
                assert store.multi_get([b"large/49"]) == [b"x" * (1 << 20)]
                store.multi_put([(b"large/50", b"y" * (1 << 20))])
                other.go_on()
        assert sum(len(v) for _, v in store.scan(b"large/")) == 51 << 20


def test_slots_of_dead_readers_are_cleared(tmp_path: Path) -> None:
    with LmdbStore(tmp_path, sync="kill", max_readers=3) as store:
        store.multi_put([(b"a", b"1")])
        with child("hold_snapshots", tmp_path, 4) as reader:
            assert "Too many reads" in reader.hear()
            while reader.hear() != "held":
                pass
        with store.snapshot() as first, store.snapshot() as second, store.snapshot() as third:
            for view in (first, second, third):
                assert view.multi_get([b"a"]) == [b"1"]


def test_a_handle_works_in_parent_and_child_of_a_fork(tmp_path: Path) -> None:
    assert finish("fork", tmp_path) == ["ok"]
