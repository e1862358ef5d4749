"""The quarantine's limit: what is beyond is counted by rule, once, and makes room for nobody."""

from __future__ import annotations

import pytest

from headrace.intake.rejects import rejects_of
from headrace.online.quarantine import Rejected as Row
from headrace.online.quarantine import count_beyond, pushed_key, put, quarantined, remove, tally
from headrace.online.quarantined_batch import Batch, Look
from headrace.stores.memory import MemoryStore

LIMIT = 5


def rejected(*places: int, rule: str = "range(price)"):
    n = len(places)
    made = rejects_of([f"row {place}" for place in places], ["too dear"] * n, [rule] * n, places)
    return made.set_column(made.column_names.index("origin"), "origin", [["a.csv"] * n])


@pytest.fixture
def store():
    return MemoryStore()


def load(store, *parts, at: int, beyond=None, full: bool = True) -> None:
    batch = Batch(Look("log", "view@1", "r", frozenset("r"), at, at), {"a.csv": "as it is"}, full=full)
    for part in parts:
        batch.put(store, part, beyond or {}, LIMIT)
    batch.supersede(store)


def places(store) -> list[int]:
    return sorted(each.ordinal for each in quarantined(store, "log"))


def test_rows_of_a_batch_beyond_the_limit_are_counted_by_rule_and_once(store) -> None:
    for at in (1, 2):  # a second load of the same finds the same
        load(store, rejected(0, 1, 2), rejected(3, 4, 5, 6), rejected(7, rule="no_time"), at=at)
        assert places(store) == [0, 1, 2, 3, 4]
        assert tally(store, "log").kept == LIMIT
        assert tally(store, "log").uncounted == {"no_time": 1, "range(price)": 2}


def test_what_is_mended_makes_room_for_the_next_load(store) -> None:
    load(store, rejected(*range(8)), at=1)
    load(store, rejected(*range(4, 8)), at=2)  # what was there first is still there while it is read
    assert tally(store, "log").uncounted == {"range(price)": 3}
    assert places(store) == [4]
    load(store, rejected(*range(4, 8)), at=3)
    assert places(store) == [4, 5, 6, 7]
    assert tally(store, "log").uncounted == {}


def test_what_the_reader_did_not_tell_is_counted_besides(store) -> None:
    load(store, rejected(0), at=1, beyond={"range(price)": 7, "no_key": 1})
    assert tally(store, "log").uncounted == {"no_key": 1, "range(price)": 7}


def test_pushed_rows_share_the_limit_and_a_row_in_its_own_place_needs_no_room(store) -> None:
    load(store, rejected(0, 1, 2), at=1)

    def push(offset: int) -> dict[str, int]:
        rows = [
            (
                pushed_key("log", f"{offset}-{place}", offset, place, by_content=False),
                Row("log", "row", "enum(event)", "no such event", offset, origin=f"push {offset}"),
            )
            for place in range(2)
        ]
        over = put(store, "log", rows, LIMIT)
        count_beyond(store, "log", "", over)
        return dict(over)

    assert push(1) == {}
    assert push(1) == {}
    assert push(2) == {"enum(event)": 2}
    assert push(3) == {"enum(event)": 2}
    counts = tally(store, "log")
    assert (counts.kept, counts.uncounted) == (LIMIT, {"enum(event)": 4})
    keys = [pushed_key("log", "", 1, place, by_content=False) for place in range(2)]
    remove(store, "log", [*keys, *keys[:0]])
    assert tally(store, "log").kept == 3
    remove(store, "log", keys)
    assert tally(store, "log").kept == 3
