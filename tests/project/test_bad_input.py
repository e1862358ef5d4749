"""Files, names, spines and stores that cannot be used: one clear error each, and nothing half-written."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.clock import DAY
from headrace.errors import (
    AsOfTooEarly,
    DataError,
    DefinitionError,
    HeadraceError,
    NotLoadedError,
    UnknownNameError,
)
from tests.project.market import (
    KEYS,
    NOW,
    K,
    activity,
    again,
    event,
    events,
    newest,
    offline,
    online,
    project,
    refused,
    state,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Path], object]

FEATURES = ["activity:events_7d", "newest:price"]
AT = dt.datetime.fromtimestamp(NOW / 1e6, tz=dt.UTC)
SPINE = [{"user_id": "u0", "ts": AT}]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A project with nothing applied."""
    project(tmp_path / "bare", events(0, 10)).close()
    return tmp_path / "bare"


# --- files ---


def rewritten(change: Callable[[pa.Table], pa.Table]) -> Change:
    def rewrite(directory: Path) -> None:
        path = directory / "events.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return rewrite


def spoilt(change: Callable[[bytes], bytes]) -> Change:
    def spoil(directory: Path) -> None:
        path = directory / "events.parquet"
        path.write_bytes(change(path.read_bytes()))

    return spoil


def as_directory(directory: Path) -> None:
    (directory / "events.parquet").unlink()
    (directory / "events.parquet").mkdir()


def as_struct(table: pa.Table) -> pa.Table:
    return table.set_column(3, "price", pa.array([{"cents": 5}] * len(table)))


FILES: dict[str, tuple[Change, list[str]]] = {
    "missing": (
        lambda directory: (directory / "events.parquet").unlink(),
        ["There is no file", "headrace.toml"],
    ),
    "empty": (spoilt(lambda _: b""), ["is empty"]),
    "text": (spoilt(lambda _: b"user_id,ts\n" * 99), ["cannot be read"]),
    "cut off": (spoilt(lambda data: data[: len(data) // 2]), ["cannot be read"]),
    "damaged": (spoilt(lambda data: data[:200] + bytes(600) + data[800:]), ["cannot be read"]),
    "a directory": (as_directory, ["is a directory", "events.parquet/*.parquet"]),
    "without a column": (rewritten(lambda table: table.drop_columns(["price"])), ["has no column 'price'"]),
    "without times": (rewritten(lambda table: table.drop_columns(["ts"])), ["has no column 'ts'"]),
    "of another type": (rewritten(as_struct), ["'price'", "struct", "double"]),
    "twice a column": (
        rewritten(lambda t: t.append_column("price", t["price"])),
        ["several columns 'price'"],
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_cannot_be_read_changes_nothing(market: Path, what: str) -> None:
    before, answer = state(market), online(again(market), *FEATURES)
    spoil, words = FILES[what]
    spoil(market)
    with again(market) as store:
        refused(DataError, lambda: store.materialize(end=K), "events.parquet", *words)
        refused(DataError, lambda: store.get_historical_features(SPINE, features=FEATURES), *words)
        assert online(store, *FEATURES) == answer
    assert state(market) == before


@pytest.mark.parametrize("what", ["missing", "empty", "text", "a directory"])
def test_a_file_whose_schema_cannot_be_read_applies_nothing(bare: Path, what: str) -> None:
    spoil, words = FILES[what]
    spoil(bare)
    with again(bare) as store:
        refused(DataError, lambda: store.apply([activity()]), *words)
        assert store.list_features() == []


def test_the_views_loaded_before_a_file_was_missing_stay_loaded(market: Path) -> None:
    other = hr.EventSource("other", batch="other.parquet", timestamp="ts")
    write(market / "other.parquet", events(0, 5))
    view = hr.LatestView("zuletzt", entity=newest().entity, source=other, features=["price"])
    with again(market) as store:
        store.apply([view])
        (market / "other.parquet").unlink()
        refused(DataError, lambda: store.materialize(end=K + DAY), "other.parquet")
        ends = {str(key): run.end for key, run in store.registry.runs().items()}
        assert ends == {"activity@1": K + DAY, "newest@1": K + DAY}
        refused(NotLoadedError, lambda: online(store, "zuletzt:price"), "zuletzt@1 has no state yet")


# --- names ---

NAMES: dict[str, tuple[type[HeadraceError], list[str]]] = {
    "activty:events_7d": (UnknownNameError, ["There is no view named 'activty'", "'activity'?"]),
    "activity:event_7d": (UnknownNameError, ["event_7d", "'events_7d'?"]),
    "activity@2:events_7d": (UnknownNameError, ["version", "'2'", "1"]),
    "activity": (UnknownNameError, ["activity:events_7d"]),
    "events_7d": (UnknownNameError, ["'activity:events_7d'?"]),
    "nothing_like_it": (UnknownNameError, ["activity:events_7d"]),
    "a:b:c": (DefinitionError, ["is not a reference", "view:feature"]),
    "": (DefinitionError, ["is not a reference"]),
    "\ud800": (UnknownNameError, [r"\ud800"]),
}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_an_unknown_feature_is_told_with_the_nearest(loaded: Path, name: str) -> None:
    error, words = NAMES[name]
    with again(loaded) as store:
        refused(error, lambda: online(store, name), *words)
        refused(error, lambda: store.get_historical_features(SPINE, features=[name]), *words)


def test_other_unknown_names(loaded: Path) -> None:
    with again(loaded) as store:
        refused(UnknownNameError, lambda: store.push("clicls", events(0, 1)), "'clicks'?")
        refused(UnknownNameError, lambda: store.push("activity", events(0, 1)), "clicks")
        refused(UnknownNameError, lambda: store.materialize(end=K, views=["activty"]), "'activity'?")
        refused(UnknownNameError, lambda: store.get_feature("activity:event_7d"), "'events_7d'?")
        refused(UnknownNameError, lambda: store.lineage("activty"), "activity")
        refused(UnknownNameError, lambda: online_of(store, service="ctr"), "service", "headrace apply")
        refused(DataError, lambda: online_of(store), "features or for a service")
        refused(
            DataError, lambda: online_of(store, features=FEATURES, service="x"), "features or for a service"
        )
        refused(DataError, lambda: online_of(store, features=[]), "No feature")


def online_of(store: hr.FeatureStore, **asked: Any) -> object:
    return store.get_online_features(entities={"user_id": ["u0"]}, **asked)


# --- spines and entities ---

SPINES: dict[str, tuple[Any, list[str]]] = {
    "none": (None, ["not a table"]),
    "no rows": ([], ["no columns"]),
    "no key": ([{"ts": AT}], ["no column 'user_id'", "ts"]),
    "no time": ([{"user_id": "u0"}], ["no time column 'ts'", "timestamp="]),
    "a null time": ([*SPINE, {"user_id": "u0", "ts": None}], ["null", "row 1"]),
    "a text that is no time": ([{"user_id": "u0", "ts": "yesterday"}], ["'yesterday'", "ISO 8601"]),
    "a fraction for a time": ([{"user_id": "u0", "ts": 1.5}], ["double"]),
    "a list for a key": ([{"user_id": ["u0"], "ts": AT}], ["'user_id'", "list"]),
    "mixed keys": ([*SPINE, {"user_id": 5, "ts": AT}], ["one type"]),
    "half a character": ([{"user_id": "\ud800", "ts": AT}], ["surrogates"]),
    "a number": (5, ["not a table"]),
    "objects": ([object()], ["not a table"]),
    "a missing file": ("nowhere.parquet", ["no spine nowhere.parquet"]),
    "a strange file": (__file__, ["no form that can be read", ".parquet"]),
}


@pytest.mark.parametrize("what", SPINES)
def test_a_spine_that_cannot_be_used(loaded: Path, what: str) -> None:
    spine, words = SPINES[what]
    with again(loaded) as store:
        refused(DataError, lambda: store.get_historical_features(spine, features=FEATURES), *words)


def test_a_spine_with_a_feature_s_name(loaded: Path) -> None:
    spine = [{**SPINE[0], "price": 1.0}]
    with again(loaded) as store:
        refused(
            DefinitionError,
            lambda: store.get_historical_features(spine, features=FEATURES),
            "full_feature_names",
        )


ENTITIES: dict[str, tuple[Any, type[HeadraceError], list[str]]] = {
    "none": (None, DataError, ["no column 'user_id'"]),
    "no columns": ({}, DataError, ["no column 'user_id'"]),
    "another key": ({"user": ["u0"]}, UnknownNameError, ["'user_id'?"]),
    "one more": ({"user_id": ["u0"], "x": [1]}, UnknownNameError, ["'x'"]),
    "no list": ({"user_id": "u0"}, DataError, ["no list"]),
    "rows that differ": ([{"user_id": "u0"}, {"user": "u0"}], DataError, ["differ"]),
    "mixed": ({"user_id": [5, "a"]}, DataError, ["one type"]),
    "objects": ({"user_id": [object()]}, DataError, ["one type"]),
    "fractions": ({"user_id": [5.5]}, DataError, ["'user_id'", "double"]),
    "half a character": ({"user_id": ["\ud800"]}, DataError, [r"\ud800"]),
}


@pytest.mark.parametrize("what", ENTITIES)
def test_entities_that_cannot_be_used(loaded: Path, what: str) -> None:
    entities, error, words = ENTITIES[what]
    with again(loaded) as store:
        refused(error, lambda: store.get_online_features(FEATURES, entities), *words)


@pytest.mark.parametrize("rows", [None, "rows", 5, [object()]], ids=["none", "text", "number", "objects"])
def test_what_is_pushed_has_to_be_rows(loaded: Path, rows: Any) -> None:
    with again(loaded) as store:
        refused(DataError, lambda: store.push("clicks", rows), "push to 'clicks'", "a list of dicts")


def test_a_table_that_lacks_a_column_is_not_pushed(market: Path) -> None:
    before = state(market)
    with again(market) as store:
        refused(
            DataError, lambda: store.push("clicks", pa.table({"user_id": ["u0"]})), "no column 'event_id'"
        )
        assert store.push("clicks", []).accepted == 0
    assert state(market) == before


# --- instants ---


def test_as_of_before_the_state_is_invalid_for_the_entity_and_an_error_for_all(market: Path) -> None:
    """u0 has an event merged after the instant asked for, u1 has none."""
    with again(market) as store:
        store.push("clicks", [event(900, K + 2 * DAY, user_id="u0")])
        at = K + DAY
        answer = store.get_online_features(FEATURES, {"user_id": KEYS}, as_of=at)
        found = {(value.entity["user_id"], value.feature): value for value in answer.values()}
        for feature in ("events_7d", "price"):
            early = found["u0", feature]
            assert (early.status, early.value) == ("INVALID", None)
            assert early.metadata["reason"] == "as_of too early"
            assert found["u1", feature].status == "PRESENT"
        history = offline(store, *FEATURES, as_of=at)
        write(market / "events.parquet", events(0, 11))
        history = offline(store, *FEATURES, as_of=at)
        assert [history[name][1:] for name in history] == [answer.to_dict()[name][1:] for name in history]
        refused(
            AsOfTooEarly,
            lambda: store.get_online_features(FEATURES, {"user_id": ["u0"]}, as_of=at),
            "2026-03-13T00:00:00.000001Z",
        )
        refused(AsOfTooEarly, lambda: online(store, *FEATURES, as_of=K - 1), "get_historical_features")


@pytest.mark.parametrize("full", [False, True], ids=["bare", "full"])
@pytest.mark.parametrize("again_", ["activity:events_7d", "activity@1:events_7d"])
def test_a_feature_asked_for_twice(loaded: Path, again_: str, *, full: bool) -> None:
    asked: dict[str, Any] = {"features": [*FEATURES, again_], "full_feature_names": full}
    words = "activity@1:events_7d is named twice", "Leave one out"
    with again(loaded) as store:
        refused(DefinitionError, lambda: store.get_historical_features(SPINE, **asked), *words)
        refused(
            DefinitionError, lambda: store.get_online_features(entities={"user_id": KEYS}, **asked), *words
        )


@pytest.mark.parametrize("at", ["soon", 1.5, True, 2**62, 2**70, -(2**63)], ids=repr)
def test_what_is_no_instant(loaded: Path, at: Any) -> None:
    with again(loaded) as store:
        refused(DataError, lambda: online(store, *FEATURES, as_of=at), "instant")
        refused(DataError, lambda: store.materialize(end=at), "instant")


def test_a_load_of_a_stream_ends_at_an_edge(market: Path) -> None:
    before = state(market)
    with again(market) as store:
        refused(
            DataError, lambda: store.materialize(end=K + 1), "2026-03-11T00:00:00Z", "2026-03-12T00:00:00Z"
        )
    assert state(market) == before


def test_a_load_does_not_end_in_the_future(market: Path) -> None:
    before = state(market)
    with again(market) as store:
        for end in (NOW + 1, NOW + DAY):
            refused(
                DataError,
                lambda end=end: store.materialize(end=end),
                "It is 2026-03-16T00:00:00Z",
                "leave end out",
            )
        assert state(market) == before
        assert {each.known for each in store.materialize(end=NOW)} == {NOW}


# --- out of order ---


def test_before_apply_and_before_materialize(bare: Path) -> None:
    with again(bare) as store:
        refused(DataError, lambda: store.materialize(end=K), "headrace apply")
        refused(UnknownNameError, lambda: store.push("clicks", events(0, 1)), "headrace apply")
        refused(UnknownNameError, lambda: online(store, *FEATURES), "headrace apply")
        refused(
            UnknownNameError,
            lambda: store.get_historical_features(SPINE, features=FEATURES),
            "headrace apply",
        )
        refused(DefinitionError, store.plan, "features.py")
        store.apply([activity(), newest()])
        refused(NotLoadedError, lambda: online(store, *FEATURES), "has no state yet", "headrace materialize")
    assert state(bare) == []
