"""A database written anew has every record and no byte of what was deleted."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from headrace.clock import FixedClock
from headrace.errors import StoreError
from headrace.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"secret-of-somebody"


def filled(store: LmdbStore, seed: int) -> dict[bytes, bytes]:
    """Write records of all kinds, many of them of somebody, and delete those; what is left."""
    chance, left = random.Random(seed), dict[bytes, bytes]()
    for _ in range(8):
        items = {
            chance.randbytes(3)
            + chance.choice([b"", SECRET])
            + b"k" * chance.choice([1, 300, 900]): chance.randbytes(chance.choice([0, 50, 3_000, 20_000]))
            + chance.choice([b"", SECRET])
            for _ in range(100)
        }
        store.multi_put(items.items(), expire_at=chance.choice([None, 100]))
        left |= items
    gone = [key for key, value in left.items() if SECRET in key + value]
    store.delete(gone)
    return {key: value for key, value in left.items() if key not in set(gone)}


@pytest.mark.parametrize("seed", range(5))
def test_every_record_is_there_and_no_deleted_byte(tmp_path: Path, seed: int) -> None:
    with LmdbStore(tmp_path, sync="kill", clock=FixedClock(0)) as store, LmdbStore(tmp_path) as same:
        left = filled(store, seed)
        assert SECRET in (tmp_path / "data.mdb").read_bytes()
        assert store.scrub()
        assert SECRET not in (tmp_path / "data.mdb").read_bytes()
        assert dict(store.scan(b"")) == left
        same.multi_put([(b"written", b"after")])
        assert store.multi_get([b"written"]) == [b"after"]
    with LmdbStore(tmp_path, clock=FixedClock(0)) as again:
        assert dict(again.scan(b"")) == {**left, b"written": b"after"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.mdb", "lock.mdb"]


def test_what_one_that_died_has_left_goes(tmp_path: Path) -> None:
    with LmdbStore(tmp_path) as store:
        left = tmp_path / "rewriting.dead"
        left.mkdir()
        (left / "data.mdb").write_bytes(SECRET)
        assert store.scrub()
        assert not left.exists()


def test_an_open_snapshot_keeps_the_file(tmp_path: Path) -> None:
    with LmdbStore(tmp_path) as store, store.snapshot() as snapshot:
        with pytest.raises(StoreError, match="stays open"):
            store.scrub()
        assert snapshot.multi_get([b"k"]) == [None]


OTHER = """
import sys
from headrace.stores.lmdb import LmdbStore
with LmdbStore(sys.argv[1]) as store:
    print(store.multi_get([b"k"]), flush=True)
    for line in sys.stdin:
        store.multi_put([(b"k", line.strip().encode())])
        print("written", flush=True)
"""


def test_a_file_that_another_process_has_open_stays(tmp_path: Path) -> None:
    with LmdbStore(tmp_path) as store:
        store.multi_put([(b"k", b"1")])
        with subprocess.Popen(
            [sys.executable, "-c", OTHER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == "[b'1']\n"
            assert not store.scrub()
            other.stdin.write("2\n")
            other.stdin.flush()
            assert other.stdout.readline() == "written\n"
            assert store.multi_get([b"k"]) == [b"2"]
            other.stdin.close()
        assert store.scrub()
        assert store.multi_get([b"k"]) == [b"2"]


def test_a_large_database_may_be_written_anew_again_and_again(tmp_path: Path) -> None:
    with LmdbStore(tmp_path, sync="kill") as store:
        store.multi_put([(b"%08d" % number, b"v" * 400) for number in range(60_000)])
        for number in range(3):
            store.multi_put([(b"more %d" % number, b"v" * 10_000_000)])
            assert store.scrub()
        assert sum(1 for _ in store.scan(b"")) == 60_003
