"""Loads that add what is new come to the same as one load of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.clock import DAY, HOUR
from headrace.online.manifest import read_manifest
from tests.effort import cases
from tests.project import harvest
from tests.project.harvest import DAYS, END, START

if TYPE_CHECKING:
    from pathlib import Path

    import headrace as hr


def whole(
    directory: Path, rows: list[dict[str, object]], end: int = END, days: int = DAYS
) -> hr.FeatureStore:
    """A store that holds everything by one load."""
    harvest.made(directory)
    for day in range(days):
        harvest.write(directory, day, rows)
    store = harvest.opened(directory)
    store.apply([harvest.spending, harvest.newest])
    store.materialize(end=end)
    return store


def segments(store: hr.FeatureStore, view: str = "spending@1") -> list[int]:
    """How many entities each segment of a view has."""
    with store.online.snapshot() as snapshot:
        return [segment.records for segment in read_manifest(snapshot).of(view).segments]


@pytest.mark.soak
@pytest.mark.parametrize("draw", range(cases(1)))
def test_thirty_days_one_by_one_are_one_load(tmp_path: Path, seed: int, draw: int) -> None:
    rows = harvest.log(seed + draw)
    directory = harvest.made(tmp_path / "daily")
    harvest.write(directory, 0, rows)
    with harvest.opened(directory) as store:
        store.apply([harvest.spending, harvest.newest])
        counts = []
        for day in range(DAYS):
            harvest.write(directory, day, rows)
            loaded = store.materialize(end=START + (day + 1) * DAY)
            assert {each.full for each in loaded} == {"" if day else "nothing is loaded yet"}
            counts.append(loaded[0].events)
            assert len(segments(store)) <= 8
        assert sum(counts) < 1.1 * len(rows), "each event is read once"
        assert sum(counts[1:]) > 0.8 * len(rows)
        with whole(tmp_path / "whole", rows) as once:
            for at in (END, END + HOUR, END + 3 * DAY, END + 40 * DAY):
                assert harvest.answers(store, at) == harvest.answers(once, at)


def test_a_late_file_is_added_however_early_its_events_were_known(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    directory = harvest.made(tmp_path / "late")
    for day in (*range(7), *range(8, DAYS)):
        harvest.write(directory, day, rows)
    with harvest.opened(directory) as store, whole(tmp_path / "whole", rows) as once:
        store.apply([harvest.spending, harvest.newest])
        store.materialize(end=END)
        assert harvest.answers(store, END) != harvest.answers(once, END)
        harvest.write(directory, 7, rows)
        assert {each.full for each in store.materialize(end=END)} == {""}
        assert harvest.answers(store, END) == harvest.answers(once, END)
        assert len(segments(store)) == 2


def test_a_file_that_was_written_again_is_loaded_again(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    with whole(tmp_path / "changed", rows) as store:
        fewer = [row for number, row in enumerate(rows) if number % 3]
        harvest.write(tmp_path / "changed", 4, fewer)
        (loaded, _) = store.materialize(end=END)
        assert loaded.full == "sales/04.parquet has changed"
        four = [row for row in fewer if START + 4 * DAY <= row["received"] < START + 5 * DAY]
        others = [row for row in rows if not START + 4 * DAY <= row["received"] < START + 5 * DAY]
        with whole(tmp_path / "whole", sorted(four + others, key=lambda row: row["received"])) as once:
            assert harvest.answers(store, END) == harvest.answers(once, END)


def test_a_file_that_is_gone_is_gone_from_the_features(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    with whole(tmp_path / "gone", rows) as store:
        (tmp_path / "gone" / "sales" / "29.parquet").unlink()
        assert {each.full for each in store.materialize(end=END)} == {"sales/29.parquet is gone"}
        left = [row for row in rows if row["received"] < END - DAY]
        with whole(tmp_path / "whole", left) as once:
            assert harvest.answers(store, END) == harvest.answers(once, END)


def test_a_file_no_window_reaches_any_more_may_go(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    month = harvest.spending_of_a_month()
    directory = harvest.made(tmp_path / "month")
    for day in range(DAYS):
        harvest.write(directory, day, rows)
    late = END + 20 * DAY
    with harvest.opened(directory, now=late + DAY) as store:
        store.apply([month])
        store.materialize(end=END)
        (directory / "sales" / "02.parquet").unlink()
        (loaded,) = store.materialize(end=late)
        assert loaded.full == ""
        (directory / "sales" / "28.parquet").unlink()
        (loaded,) = store.materialize(end=late)
        assert loaded.full == "sales/28.parquet is gone"


def test_a_changed_definition_is_loaded_anew(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    with whole(tmp_path / "more", rows) as store:
        store.apply([harvest.spending_with_more()])
        loaded = {each.view: each.full for each in store.materialize(end=END)}
        assert loaded == {"spending@1": "the view has changed", "newest@1": ""}
        assert {each.full for each in store.materialize(end=END)} == {""}
        assert {each.full for each in store.materialize(end=END, full=True)} == {"it was asked for"}
        assert {each.full for each in store.materialize(end=END - DAY)} == {"it ends before the load before"}


def test_a_project_may_move(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    whole(tmp_path / "here", rows).close()
    (tmp_path / "here").rename(tmp_path / "there")
    with harvest.opened(tmp_path / "there") as store:
        assert {each.full for each in store.materialize(end=END)} == {""}


def test_a_file_in_which_nothing_counts_is_read_once(tmp_path: Path, seed: int) -> None:
    rows = harvest.log(seed)
    with whole(tmp_path / "empty", rows) as store:
        nobody = [{**row, "user_id": None, "event_id": f"x{row['event_id']}"} for row in rows[:5]]
        pq.write_table(
            pa.Table.from_pylist(nobody, harvest.SCHEMA), tmp_path / "empty" / "sales" / "40.parquet"
        )
        (first, _) = store.materialize(end=END)
        (second, _) = store.materialize(end=END)
        assert (first.full, first.events, first.rejected) == ("", 0, 5)
        assert (second.full, second.events, second.rejected) == ("", 0, 0)
