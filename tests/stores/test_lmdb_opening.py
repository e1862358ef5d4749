"""What LmdbStore says about directories it cannot use, and how handles on one directory get on."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import pytest

from headrace.errors import ConflictError, StoreError
from headrace.stores import lmdb_records
from headrace.stores.lmdb import LmdbStore
from tests.stores.test_lmdb_processes import finish

if TYPE_CHECKING:
    from collections.abc import Iterator


def refuses(path: Path, said: str, *, readonly: bool = False) -> None:
    with pytest.raises(StoreError, match=said) as caught:
        LmdbStore(path, readonly=readonly)
    assert caught.value.remedy
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_path_that_is_a_file_or_under_one(tmp_path: Path, *, readonly: bool) -> None:
    (tmp_path / "file").write_text("text")
    refuses(tmp_path / "file", "is a file", readonly=readonly)
    refuses(tmp_path / "file" / "below", "is a file", readonly=readonly)
    assert (tmp_path / "file").read_text() == "text"


def test_a_reader_makes_nothing(tmp_path: Path) -> None:
    refuses(tmp_path / "none", "There is no store", readonly=True)
    refuses(tmp_path, "There is no store", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_makes_the_directories(tmp_path: Path) -> None:
    with LmdbStore(tmp_path / "a" / "b") as store:
        store.multi_put([(b"a", b"1")])
    with LmdbStore(tmp_path / "a" / "b", readonly=True) as store:
        assert store.multi_get([b"a"]) == [b"1"]


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("named", [None, b"things"])
def test_a_database_of_another_program(tmp_path: Path, named: bytes | None, *, readonly: bool) -> None:
    with lmdb.open(str(tmp_path), max_dbs=1) as env:
        table = env.open_db(named)
        with env.begin(table, write=True) as txn:
            txn.put(b"a", b"1")
    before = (tmp_path / "data.mdb").read_bytes()
    refuses(tmp_path, "another program", readonly=readonly)
    assert (tmp_path / "data.mdb").read_bytes() == before


@pytest.mark.parametrize("readonly", [False, True])
def test_a_newer_layout(tmp_path: Path, *, readonly: bool) -> None:
    LmdbStore(tmp_path).close()
    with lmdb.open(str(tmp_path)) as env, env.begin(write=True) as txn:
        txn.put(b"\x00headrace", b"key-value layout 2")
    refuses(tmp_path, "layout 2; this Headrace knows layouts up to 1", readonly=readonly)


def test_an_empty_database_is_taken_over_by_a_writer(tmp_path: Path) -> None:
    lmdb.open(str(tmp_path)).close()
    refuses(tmp_path, "There is no store", readonly=True)
    with LmdbStore(tmp_path) as store:
        store.multi_put([(b"a", b"1")])


@pytest.mark.parametrize("readonly", [False, True])
def test_files_that_are_no_database(tmp_path: Path, *, readonly: bool) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database" * 1_000)
    refuses(tmp_path, "no LMDB database", readonly=readonly)


def test_a_map_larger_than_any_address_space(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="address space") as caught:
        LmdbStore(tmp_path, map_size=1 << 60)
    assert "map_size" in caught.value.remedy
    with LmdbStore(tmp_path) as store:
        store.multi_put([(b"a", b"1")])


def test_a_full_disk(tmp_path: Path) -> None:
    error, records, later = finish("fill_the_disk", tmp_path, 8)
    assert "is full" in error
    assert "this write is undone. Free space" in error
    assert records == str([(b"a", b"1"), (b"b", b"1")])
    assert later == str([b"1", b"3"])


@pytest.mark.parametrize("limit", [0, 4_096])
def test_a_disk_that_is_full_from_the_beginning(tmp_path: Path, limit: int) -> None:
    error, later = finish("begin_on_a_full_disk", tmp_path / "store", limit)
    assert "is full" in error
    assert later == str([b"1"])


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's cannot be."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_a_directory_that_may_not_be_written(open_path: Path) -> None:
    (open_path / "none").mkdir(mode=0o555)
    LmdbStore(open_path / "store").close()
    for path in (open_path / "store", *(open_path / "store").iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for path, readonly in (("none", 0), ("none/below", 0), ("store", 0), ("store", 1)):
        (said,) = finish("open_as_nobody", open_path / path, readonly)
        assert "may not use" in said
        assert "Let its user write" in said


def test_handles_on_one_directory_share_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with LmdbStore(tmp_path / "store", sync="kill") as one, LmdbStore(tmp_path / "link", sync="kill") as two:
        one.multi_put([(b"a", b"1")])
        assert two.multi_get([b"a"]) == [b"1"]
        with one.transaction() as change:
            change.multi_put([(b"a", b"2")])
            with pytest.raises(StoreError, match="transaction is open"):
                two.multi_put([(b"a", b"3")])
        one.close()
        assert two.multi_get([b"a"]) == [b"2"]
        two.multi_put([(b"a", b"4")])
    with LmdbStore(tmp_path / "store", readonly=True) as three:
        assert three.multi_get([b"a"]) == [b"4"]


def test_a_reader_s_handle_refuses_writes_whoever_else_may(tmp_path: Path) -> None:
    LmdbStore(tmp_path).close()
    with LmdbStore(tmp_path, readonly=True) as reader:
        with LmdbStore(tmp_path, sync="kill") as writer:
            writer.multi_put([(b"a", b"1")])
            assert reader.multi_get([b"a"]) == [b"1"]
            with pytest.raises(StoreError, match="reading only"):
                reader.multi_put([(b"a", b"2")])
        assert reader.multi_get([b"a"]) == [b"1"]


@pytest.mark.parametrize(("first", "second"), [("kill", "commit"), ("commit", "kill")])
def test_the_safer_sync_counts_for_all_handles(tmp_path: Path, first: str, second: str) -> None:
    with LmdbStore(tmp_path, sync=first) as one, LmdbStore(tmp_path, sync=second) as two:  # type: ignore[arg-type]
        one.multi_put([(b"a", b"1")])
        two.multi_put([(b"b", b"2")])
        assert list(one.scan(b"")) == [(b"a", b"1"), (b"b", b"2")]
        environment = one._environment  # noqa: SLF001 - a flag that only a power failure would show
        assert environment is not None
        assert environment._opened().flags()["sync"]  # noqa: SLF001


def test_a_directory_made_anew_is_not_the_deleted_one(tmp_path: Path) -> None:
    with LmdbStore(tmp_path / "store", sync="kill") as old:
        old.multi_put([(b"a", b"1")])
        shutil.rmtree(tmp_path / "store")
        with LmdbStore(tmp_path / "store", sync="kill") as new:
            assert new.multi_get([b"a"]) == [None]
            new.multi_put([(b"a", b"2")])
            assert old.multi_get([b"a"]) == [b"1"]
    with LmdbStore(tmp_path / "store") as again:
        assert again.multi_get([b"a"]) == [b"2"]


def test_what_is_committed_is_there_when_opened_again(tmp_path: Path) -> None:
    for sync in ("commit", "kill"):
        with LmdbStore(tmp_path, sync=sync) as store:  # type: ignore[arg-type]
            store.multi_put([(sync.encode(), b"1")])
            store.flush()
    with LmdbStore(tmp_path, readonly=True) as store:
        assert list(store.scan(b"")) == [(b"commit", b"1"), (b"kill", b"1")]


def test_the_last_handle_is_not_closed_under_an_open_block(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, sync="kill")
    with store.snapshot():
        with pytest.raises(StoreError, match="stays open"):
            store.close()
        assert store.multi_get([b"a"]) == [None]
    store.close()


def test_a_closed_store_is_not_opened_again_by_what_comes_late(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, sync="kill")
    view, change = store.snapshot(), store.transaction()
    store.close()
    for late in (view, change):
        with pytest.raises(StoreError, match="closed"), late:
            pass
    LmdbStore(tmp_path, readonly=True).close()


def test_the_lock_file_has_all_its_blocks_from_the_beginning(tmp_path: Path) -> None:
    """LMDB writes to it through memory: a block that a full disk cannot give would kill the process."""
    LmdbStore(tmp_path).close()
    status = (tmp_path / "lock.mdb").stat()
    assert status.st_size > 1_000 * 64
    assert status.st_blocks * 512 >= status.st_size


def test_a_map_cannot_grow_under_the_same_thread_s_snapshot(tmp_path: Path) -> None:
    with LmdbStore(tmp_path, sync="kill", map_size=1 << 16) as store:
        store.multi_put([(b"a", b"1")])
        with store.snapshot() as view:
            with pytest.raises(StoreError, match="stays open, but its map must grow"):
                store.multi_put([(b"b", b"x" * (1 << 20))])
            assert view.multi_get([b"a", b"b"]) == [b"1", None]
        assert store.multi_get([b"a", b"b"]) == [b"1", None]
        store.multi_put([(b"b", b"x" * (1 << 20))])


def test_a_map_grows_between_the_reads_of_other_threads(tmp_path: Path) -> None:
    with LmdbStore(tmp_path, sync="kill", map_size=1 << 16) as store:
        store.multi_put([(b"a", b"1"), *((b"k%d" % n, b"v" * 100) for n in range(100))])
        stop, wrong = threading.Event(), []

        def read() -> None:
            while not stop.is_set():
                with store.snapshot() as view:
                    seen = (store.multi_get([b"a"]), view.multi_get([b"a"]), len(list(view.scan(b"k"))))
                if seen != ([b"1"], [b"1"], 100):
                    wrong.append(seen)

        with ExitStack() as ending:
            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
                ending.callback(thread.join)
            ending.callback(stop.set)
            for number in range(64):
                store.multi_put([(b"large/%d" % number, b"x" * (1 << 19))])
                with pytest.raises(ZeroDivisionError), store.transaction() as change:
                    change.multi_put([(b"a", b"%d" % (1 // 0))])
        assert wrong == []
        assert len(list(store.scan(b"large/"))) == 64


def test_a_transaction_outgrows_the_map_again_and_again(tmp_path: Path) -> None:
    with LmdbStore(tmp_path, sync="kill", map_size=1 << 16) as store:
        store.multi_put([(b"old/%d" % number, b"v") for number in range(100)])
        with store.transaction() as change:
            change.delete_prefix(b"old/1")
            for number in range(40):
                change.multi_put([(b"new/%d" % number, b"x" * (1 << 18))])
                assert change.multi_get([b"old/1", b"old/2"]) == [None, b"v"]
            assert len(list(change.scan(b"new/"))) == 40
        assert len(list(store.scan(b"new/"))) == 40
        assert len(list(store.scan(b"old/"))) == 100 - 11


def test_a_transaction_that_makes_room_yields_to_another_process(tmp_path: Path) -> None:
    """Growing ends LMDB's transaction for a moment; what another process writes then is not overlooked."""
    with LmdbStore(tmp_path, sync="kill", map_size=1 << 16) as store:
        environment = store._environment  # noqa: SLF001 - the moment in between has no other door
        assert environment is not None
        grow = environment.grow

        def grow_while_another_writes(beyond: int) -> None:
            grow(beyond)
            assert finish("put", tmp_path, 7) == ["put"]

        environment.grow = grow_while_another_writes  # type: ignore[method-assign]
        store.multi_put([(b"n", b"1")])

        def add_one() -> None:
            with store.transaction() as change:
                (value,) = change.multi_get([b"n"])
                change.multi_put([(b"n", b"%d" % (int(value or 0) + 1)), (b"large", b"x" * (1 << 20))])

        with pytest.raises(ConflictError, match="Another process wrote"):
            add_one()
        assert store.multi_get([b"n", b"large"]) == [b"7", None]


def test_keys_that_shorten_alike_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_records, "_digest", lambda _: b"\x00" * 32)  # as if every hash fell together
    keys = [b"p" * 400 + b"%03d" % number * 30 for number in range(50)]
    with LmdbStore(tmp_path, sync="kill") as store:
        store.multi_put([(key, key[-3:]) for key in keys])
        store.multi_put([(b"p" * 400 + b"\x00" * 32, b"as short as they are shortened")])
        assert store.multi_get(keys) == [key[-3:] for key in keys]
        store.delete(keys[::2])
        assert store.compare_and_set(keys[1], b"001", b"new")
        assert not store.compare_and_set(keys[2], b"002", b"new")
        assert store.multi_get(keys[:4]) == [None, b"new", None, b"003"]
        assert [key for key, _ in store.scan(b"p" * 401)] == []
        assert [key for key, _ in store.scan(b"p" * 400)][1:] == keys[1::2]
        store.delete_prefix(b"p")
        assert list(store.scan(b"")) == []
