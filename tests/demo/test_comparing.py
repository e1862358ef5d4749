"""Comparing finds whatever differs: a value, a status, a double by more than it may."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.demo.comparing import compare
from headrace.errors import DataError
from headrace.kernel.columns import NOT_FOUND, PRESENT, ArrowColumn, HeldColumns
from headrace.offline.dataset import HistoricalFeatures, Origin
from headrace.offline.spine import Spine
from headrace.online.answer import MemberColumns, OnlineFeatures
from headrace.online.document import AnswerForm
from headrace.windows import FOREVER_AGO

IDS = [1, 2, 3]
VALUES = {
    "count": pa.array([3, 0, 7]),
    "faded": pa.array([0.1, 2.5, 0.0]),
    "names": pa.array([["a"], [], ["b", "a"]]),
    "by_key": pa.array([[("x", 1)], [], [("y", 2)]], pa.map_(pa.string(), pa.int64())),
    "last": pa.array(["a", None, "b"]),
}
STATUSES = {name: [PRESENT, NOT_FOUND if name == "last" else PRESENT, PRESENT] for name in VALUES}


def online(**changed: pa.Array) -> OnlineFeatures:
    newest = np.full(len(IDS), FOREVER_AGO)
    columns = {
        name: ArrowColumn(values, np.array(STATUSES[name], np.uint8), newest)
        for name, values in {**VALUES, **changed}.items()
    }
    places = {name: (0, name) for name in columns}
    return OnlineFeatures({"id": IDS}, (), MemberColumns(places, [HeldColumns(columns)]), 0, AnswerForm(()))


def offline(**statuses: list[int]) -> HistoricalFeatures:
    table = pa.table({"id": IDS, "ts": pa.array([0, 0, 0]).cast(pa.timestamp("us", tz="UTC"))})
    spine = Spine.read(table, "ts", {})
    for name, values in VALUES.items():
        table = table.append_column(name, values)
    found = {name: np.array(each, np.uint8) for name, each in {**STATUSES, **statuses}.items()}
    return HistoricalFeatures(table, Origin((), spine, found, {}, {}, "local", 0))


def test_equal_sides_have_no_differences() -> None:
    found = compare(online(), offline())
    assert (found.entities, found.features, found.values) == (3, 5, 15)
    assert (found.differences, found.largest) == ((), 0.0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("count", pa.array([3, 0, 8])),
        ("faded", pa.array([0.1, 2.5, 1e-12])),
        ("names", pa.array([["a"], [], ["a", "b"]])),
        ("by_key", pa.array([[("x", 1)], [], [("y", 3)]], pa.map_(pa.string(), pa.int64()))),
        ("last", pa.array(["a", None, None], pa.string())),
    ],
)
def test_one_other_value_is_found(name: str, values: pa.Array) -> None:
    (found,) = compare(online(**{name: values}), offline()).differences
    assert (found.feature, found.row) == (name, 2)
    assert found.online[0] == values[2].as_py(maps_as_pydicts="strict")
    assert found.offline == (VALUES[name][2].as_py(maps_as_pydicts="strict"), PRESENT)


def test_one_other_status_is_found() -> None:
    (found,) = compare(online(), offline(last=[PRESENT, PRESENT, PRESENT])).differences
    assert (found.feature, found.row) == ("last", 1)
    assert (found.online, found.offline) == ((None, NOT_FOUND), (None, PRESENT))


@pytest.mark.parametrize(("off", "differs"), [(1e-12, 0), (1e-6, 1)])
def test_doubles_may_differ_by_as_much_as_they_are_allowed(off: float, differs: int) -> None:
    found = compare(online(faded=pa.array([0.1, 2.5 * (1 + off), 0.0])), offline(), {"faded": 1e-9})
    assert len(found.differences) == differs
    assert found.largest == (0.0 if differs else pytest.approx(off, rel=1e-3))


def test_counts_are_never_near_enough() -> None:
    assert compare(online(count=pa.array([3, 0, 8])), offline(), {"count": 1.0}).differences


@pytest.mark.parametrize(
    "changed", [{"other": VALUES["count"]}, {"count": VALUES["faded"]}], ids=["no counterpart", "other type"]
)
def test_sides_that_cannot_be_compared(changed: dict[str, pa.Array], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STATUSES, "other", [PRESENT] * 3)
    with pytest.raises(DataError, match="counterpart"):
        compare(online(**changed), offline())
