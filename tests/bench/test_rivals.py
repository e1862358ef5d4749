"""The rivals compute what they are said to compute: nested loops over tiny logs agree with their SQL."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from bench import generate
from bench.inputs import Inputs, Log
from bench.rivals import known, latest, stored, windowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR = 3_600_000_000
WINDOWS = {
    "1h": (HOUR, HOUR // 12),
    "1d": (24 * HOUR, HOUR),
    "7d": (168 * HOUR, HOUR),
    "30d": (720 * HOUR, 24 * HOUR),
}
FIVE_MINUTES = 300_000_000

PLAIN = Log(events=3_000, users=12, span_days=60, click_share=0.3)
TICKING = dataclasses.replace(PLAIN, tick_us=FIVE_MINUTES)  # instants fall on one another and on window edges
CROWDED = dataclasses.replace(TICKING, span_days=2, users=3)  # many events in the shortest window
HOT = dataclasses.replace(TICKING, hot_share=0.5)
LATE = {"knowledge": True, "string_keys": True, "redelivered": 0.1}


def _us(table: Any, column: str) -> list[int]:
    return table[column].cast("int64").to_pylist()


def _known_events(inputs: Inputs) -> list[tuple[Any, int, int, float, bool]]:
    """(user, ts, known, price, clicked) of every event once, the copy with the smallest (known, ts)."""
    table = generate.events(inputs.log)
    ts = _us(table, "ts")
    known_at = (
        [max(*each) for each in zip(ts, _us(table, "available_at"), strict=True)]
        if inputs.log.knowledge
        else ts
    )
    ids = table["event_id"].to_pylist() if inputs.log.knowledge else range(table.num_rows)
    clicked = [event == "click" for event in table["event"].to_pylist()]
    users, prices = table["user_id"].to_pylist(), table["price"].to_pylist()
    first: dict[tuple[Any, Any], tuple[Any, int, int, float, bool]] = {}
    for row, event_id in zip(zip(users, ts, known_at, prices, clicked, strict=True), ids, strict=True):
        kept = first.setdefault((row[0], event_id), row)
        if (row[2], row[1]) < (kept[2], kept[1]):
            first[row[0], event_id] = row
    return list(first.values())


def _expected(inputs: Inputs) -> Iterator[dict[str, Any]]:
    events = _known_events(inputs)
    spine = generate.spine(inputs.log, inputs.spine_rows)
    for request, user, t in zip(
        spine["request_id"].to_pylist(), spine["user_id"].to_pylist(), _us(spine, "ts"), strict=True
    ):
        row: dict[str, Any] = {"request_id": request}
        for name, (length, hop) in WINDOWS.items():
            edge = (t - length) // hop * hop
            counted = [each for each in events if each[0] == user and edge <= each[1] and each[2] < t]
            row[f"events_{name}"] = len(counted)
            row[f"spend_{name}"] = pytest.approx(sum(each[3] for each in counted), rel=1e-9, abs=1e-9)
            row[f"clicks_{name}"] = sum(each[4] for each in counted)
        yield row


def _drawn(log: Log, tmp_path, **more: Any) -> Inputs:
    inputs = Inputs(log, spine_rows=150, cache=tmp_path, **more)
    generate.write(inputs)
    return inputs


@pytest.mark.parametrize("log", [PLAIN, TICKING, CROWDED, HOT])
@pytest.mark.parametrize("rival", [windowed.running_sums, windowed.asof])
def test_windowed_rivals_follow_the_hop_rule(
    rival: Callable[[Inputs], Callable[[], Any]], log: Log, tmp_path
) -> None:
    inputs = _drawn(log, tmp_path)
    got = rival(inputs)().sort_by("request_id").to_pylist()
    assert got == list(_expected(inputs))


@pytest.mark.parametrize("log", [PLAIN, TICKING, CROWDED, HOT])
@pytest.mark.parametrize("rival", [known.running_sums, known.range_join])
def test_late_rivals_follow_the_hop_rule(
    rival: Callable[[Inputs], Callable[[], Any]], log: Log, tmp_path
) -> None:
    inputs = _drawn(dataclasses.replace(log, **LATE), tmp_path)
    got = rival(inputs)().sort_by("request_id").to_pylist()
    assert got == list(_expected(inputs))


def test_lateness_and_copies_matter_in_these_logs(tmp_path) -> None:
    inputs = _drawn(dataclasses.replace(TICKING, **LATE), tmp_path)
    aware = known.running_sums(inputs)().sort_by("request_id")
    unaware = windowed.running_sums(inputs)().sort_by("request_id")
    assert aware["events_1h"] != unaware["events_1h"]
    assert aware["events_30d"] != unaware["events_30d"]


def test_reading_and_sorting_yields_every_row_in_order(tmp_path) -> None:
    inputs = _drawn(dataclasses.replace(PLAIN, **LATE), tmp_path)
    table = windowed.read_and_sort(inputs, knowledge=True)()
    keys = list(zip(table["user_id"].to_pylist(), _us(table, "ts"), strict=True))
    assert keys == sorted(keys)
    assert len(keys) == generate.events(inputs.log).num_rows
    assert table.column_names == ["user_id", "ts", "price", "event", "available_at", "event_id"]


@pytest.mark.parametrize("rival", [latest.duckdb_asof, latest.polars_asof])
def test_latest_rivals_find_the_newest_row_before(
    rival: Callable[[Inputs], Callable[[], Any]], tmp_path
) -> None:
    # few rows for each user: some spine rows have none before them, and no two of a user share an instant
    inputs = _drawn(
        dataclasses.replace(TICKING, users=60),
        tmp_path,
        profile_rows=90,
        profile_columns=3,
        with_events=False,
    )
    table = generate.profiles(inputs.log, 90, 3)
    rows = list(
        zip(
            table["user_id"].to_pylist(),
            _us(table, "updated_at"),
            table.select(["v00", "v01", "v02"]).to_pylist(),
            strict=True,
        )
    )
    assert len({row[:2] for row in rows}) == len(rows)
    expected = []
    spine = generate.spine(inputs.log, inputs.spine_rows)
    for request, user, t in zip(
        spine["request_id"].to_pylist(), spine["user_id"].to_pylist(), _us(spine, "ts"), strict=True
    ):
        before = [row for row in rows if row[0] == user and row[1] < t]
        values = max(before, key=lambda row: row[1])[2] if before else dict.fromkeys(("v00", "v01", "v02"))
        expected.append({"request_id": request, **values})
    assert any(row["v00"] is None and row["v01"] is None for row in expected)
    assert rival(inputs)().sort_by("request_id").to_pylist() == expected


def test_a_latest_row_at_the_instant_itself_does_not_count(tmp_path) -> None:
    log = dataclasses.replace(PLAIN, users=1, span_days=3, tick_us=24 * HOUR)  # three instants in all
    inputs = _drawn(log, tmp_path, profile_rows=1, profile_columns=1, with_events=False)
    (updated,) = _us(generate.profiles(log, 1, 1), "updated_at")
    at = _us(generate.spine(log, inputs.spine_rows), "ts")
    for rival in (latest.duckdb_asof, latest.polars_asof):
        found = rival(inputs)().sort_by("request_id")["v00"].to_pylist()
        assert [value is not None for value in found] == [updated < t for t in at]


def test_the_raw_store_returns_what_was_packed(tmp_path) -> None:
    inputs = Inputs(dataclasses.replace(PLAIN, users=3), cache=tmp_path)
    first, second, third, again = stored.packed(inputs, entities=4)()
    assert first == again == tuple(i / 50 for i in range(50))
    assert (second[0], third[0]) == (1.0, 2.0)
