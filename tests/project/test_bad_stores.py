"""Stores, disks and projects that cannot be used: one clear error each, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import pytest

import headrace as hr
from headrace.clock import DAY
from headrace.errors import StoreError, UnknownNameError
from headrace.online.layout import MANIFEST, loading_key, segment_prefix, stream_key
from headrace.stores.lmdb import LmdbStore
from tests.project.market import (
    K,
    activity,
    again,
    event,
    events,
    online,
    refused,
    state,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[Path], object]

ROOT = Path(__file__).parents[2]
FEATURES = ["activity:events_7d", "newest:price"]


def foreign(path: Path) -> None:
    shutil.rmtree(path)
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as change:
        change.put(b"a", b"b")


def newer(path: Path) -> None:
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as change:
        change.put(b"\x00headrace", b"key-value layout 99")


def newer_manifest(path: Path) -> None:
    with LmdbStore(path) as store:
        manifest = json.loads(store.multi_get([MANIFEST])[0] or b"")
        store.multi_put([(MANIFEST, json.dumps({**manifest, "layout": 99}).encode())])


def overwritten(key: bytes) -> Change:
    def overwrite(path: Path) -> None:
        with LmdbStore(path) as store:
            assert store.multi_get([key]) != [None]
            store.multi_put([(key, b"\xff")])

    return overwrite


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


STORES: dict[str, tuple[Change, list[str]]] = {
    "another program's database": (foreign, ["of another program", "another directory"]),
    "a newer layout": (newer, ["layout 99", "Upgrade"]),
    "a newer manifest": (newer_manifest, ["layout 99", "Upgrade"]),
    "a manifest that is none": (overwritten(MANIFEST), ["manifest", "cannot be read"]),
    "a state of the stream that is none": (overwritten(stream_key("newest@1")), ["stream state of newest@1"]),
    "no database": (lambda path: (path / "data.mdb").write_bytes(b"x" * 9_000), ["no LMDB database"]),
    "a file": (a_file, ["is a file"]),
}


@pytest.mark.parametrize("what", STORES)
def test_an_online_store_that_cannot_be_used(market: Path, what: str) -> None:
    spoil, words = STORES[what]
    spoil(market / ".headrace" / "online")
    with again(market) as store:
        refused(StoreError, lambda: online(store, *FEATURES), *words)
        refused(StoreError, lambda: store.push("clicks", events(11, 12)), *words)
        refused(StoreError, lambda: store.materialize(end=K), *words)
        assert len(store.list_features()) == 3  # what needs no online store goes on
        (check,) = [check for check in store.doctor() if check.name == "online store"]
        assert not check.ok
        assert words[0] in check.detail


def test_a_claim_or_record_that_cannot_be_read(market: Path) -> None:
    with LmdbStore(market / ".headrace" / "online") as raw:
        key = next(key for key, _ in raw.scan(segment_prefix(1)))
    overwritten(key)(market / ".headrace" / "online")
    with again(market) as store:
        refused(StoreError, lambda: online(store, "newest:price"), "damaged", "headrace materialize --full")
        store.materialize(end=K, full=True)
        assert online(store, "newest:price")["price"][0] is not None
    overwritten(loading_key("newest@1"))(market / ".headrace" / "online")
    with again(market) as store:
        refused(StoreError, lambda: store.materialize(end=K, views=["newest"]), "claim of newest@1")


def test_a_registry_that_cannot_be_used(market: Path) -> None:
    registry = market / ".headrace" / "registry.db"
    registry.write_bytes(b"x" * 9_000)
    with again(market) as store:
        refused(StoreError, lambda: online(store, *FEATURES), "registry.db", "damaged")
        refused(StoreError, lambda: store.apply([activity()]), "registry.db")
        assert [check.ok for check in store.doctor() if check.name == "registry"] == [False]


# --- disks ---


def narrowly(where: str, *directories: Path) -> dict[str, str]:
    """What each verb of `narrow_child` says in a process with little room, by verb."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.project.narrow_child", where, *map(str, directories)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


def test_a_full_disk_undoes_the_work_whole(market: Path, loaded: Path, tmp_path: Path) -> None:
    many = [event(number, K - DAY + number, user_id=f"u{number}") for number in range(3_000)]
    write(market / "events.parquet", many)
    other: Path = shutil.copytree(loaded, tmp_path / "other")
    with again(market) as store:
        answer, features = online(store, *FEATURES), store.list_features()
    before = state(other)
    said = narrowly("full", market, other)
    for verb in ("materialize", "push", "apply"):
        assert said[verb].startswith("StoreError: "), said
        assert "full" in said[verb]
    assert said["push with room"] == "done"
    with again(other) as store:
        assert online(store, *FEATURES) != answer  # the push with room, once
        assert store.list_features() == features
    assert len(state(other)) > len(before)
    with again(market) as store:
        assert online(store, *FEATURES) == answer
        store.materialize(end=K)  # clears away what the one that failed has written
        assert online(store, "activity:events_7d")["events_7d"][:3] == [3, 3, 2]  # one each, and the pushes


@pytest.fixture
def readable(loaded: Path) -> Iterator[Path]:
    """The project where other users reach it, as they do not reach pytest's directories; nobody may write."""
    above = Path(tempfile.mkdtemp())
    above.chmod(0o755)
    directory: Path = shutil.copytree(loaded, above / "market")
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield directory
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(above)


def test_a_directory_that_may_not_be_written(readable: Path, market: Path) -> None:
    before = state(market)
    said = narrowly("nobody", readable, market)
    assert set(said) == {"materialize", "push", "apply", "read"}
    for text in said.values():
        assert text.startswith("StoreError: "), said
        assert "write" in text
    for path in (readable, *readable.rglob("*")):
        path.chmod(0o755)
    assert state(readable) == before


def test_a_project_that_is_none(tmp_path: Path) -> None:
    refused(StoreError, lambda: hr.FeatureStore(tmp_path / "nowhere"), "headrace init")
    refused(StoreError, lambda: hr.FeatureStore(tmp_path), "headrace init")
    (tmp_path / "headrace.toml").write_text('[project]\nnmae = "x"\n')
    refused(UnknownNameError, lambda: hr.FeatureStore(tmp_path), "'nmae'", "name")
    (tmp_path / "headrace.toml").write_text('[online]\nurl = "memcached://localhost"\n')
    write(tmp_path / "events.parquet", events(0, 1))
    store = hr.FeatureStore(tmp_path)
    store.apply([activity()])
    refused(StoreError, lambda: online(store, "activity:events_7d"), "lmdb:///")
