"""Feature tests of labels: events and touches in, the columns of a training set out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import headrace as hr
from headrace import agg
from headrace.errors import DataError, UnknownNameError
from headrace.testing import FeatureTest, assert_features
from headrace.testing.feature_tests.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path

clicks = hr.EventSource(
    "clicks", schema={"click_id": "string", "user_id": "string", "ts": "timestamp"},
    timestamp="ts", event_id="click_id",
)  # fmt: skip
orders = hr.EventSource(
    "orders",
    schema={
        "user_id": "string", "paid": "bool", "price": "decimal(8,2)", "ts": "timestamp", "told": "timestamp",
    },
    timestamp="ts", available_at="told",
)  # fmt: skip
bought = hr.Label(
    "bought", source=orders, touches=clicks, keys=["user_id"], within="2d", where="paid", reported_within="1d"
)
worth = hr.Label(
    "worth", source=orders, keys=["user_id"], within="1d", attribution="every_touch", value="price"
)
user = hr.Entity("user", join_keys={"user_id": "string"})
clicking = hr.AggregateView("clicking", entity=user, source=clicks, features=[agg.count("n", windows=["7d"])])
ALL = (bought, worth, clicking)

TWO_CLICKS = [
    {"click_id": "a", "user_id": "ann", "ts": "2026-03-01T10:00Z"},
    {"click_id": "b", "user_id": "ann", "ts": "2026-03-01T11:00Z"},
]
ONE_ORDER = [
    {"user_id": "ann", "paid": True, "price": 9.5, "ts": "2026-03-01T12:00Z", "told": "2026-03-02T09:00Z"}
]
EVENTS = {"clicks": TWO_CLICKS, "orders": ONE_ORDER}
TOUCHES = ["2026-03-01T10:00Z", "2026-03-01T11:00Z"]


def test_the_last_touch_has_the_credit() -> None:
    assert_features(
        ALL,
        events=EVENTS,
        entity={"user_id": "ann"},
        at=[*TOUCHES, "2026-03-01T11:30Z"],
        expected={"bought": [0, 1, None], "label_delay": [None, 3600, None], "label_mature": [True] * 3},
    )


@pytest.mark.parametrize(
    ("as_of", "value", "mature"),
    [
        ("2026-03-02T09:00Z", None, False),  # not told yet
        ("2026-03-04T10:59Z", None, False),  # within 2d + reported_within 1d
        ("2026-03-04T11:00Z", 1, True),
    ],
)
def test_a_label_waits_for_as_of(as_of: str, value: int | None, mature: bool) -> None:  # noqa: FBT001 - a case
    assert_features(
        ALL,
        events=EVENTS,
        as_of=as_of,
        expected=[{"user_id": "ann", "at": TOUCHES[1], "bought": value, "label_mature": mature}],
    )


def test_what_was_told_at_as_of_does_not_count() -> None:
    late = [{**ONE_ORDER[0], "told": "2026-03-04T11:00Z"}]
    row = {"user_id": "ann", "at": TOUCHES[1]}
    events = {"clicks": TWO_CLICKS, "orders": late}
    assert_features(ALL, events=events, as_of="2026-03-04T11:00Z", expected=[{**row, "bought": 0}])
    assert_features(ALL, events=events, as_of="2026-03-04T11:00:01Z", expected=[{**row, "bought": 1}])


def test_several_labels_have_the_columns_of_a_training_set_and_features_stand_beside_them() -> None:
    assert_features(
        ALL,
        events=EVENTS,
        view="clicking",
        expected=[
            {
                "user_id": "ann", "at": "2026-03-01T11:00Z", "n_7d": 1, "bought": 1, "bought_delay": 3600,
                "worth": 9.5, "worth_mature": True,
            },
            {
                "user_id": "bob", "at": "2026-03-01T11:00Z", "n_7d": 0, "bought": {"status": "NULL_VALUE"},
                "worth": 0,
            },
        ],
    )  # fmt: skip


def test_a_row_may_name_its_touch() -> None:
    at = "2026-03-01T10:00Z"
    twins = [{**TWO_CLICKS[0], "click_id": each} for each in ("a", "b")]
    rows = [{"user_id": "ann", "at": at, "click_id": each} for each in ("a", "b")]
    expected = [{**row, "bought": value} for row, value in zip(rows, (0, 1), strict=True)]
    assert_features(ALL, events={"clicks": twins, "orders": ONE_ORDER}, expected=expected)


def test_what_is_not_as_expected_is_told_with_both_sides(tmp_path: Path) -> None:
    strangers = [{"user_id": "bob", "paid": True, "ts": "2026-03-01T12:00Z", "told": "2026-03-01T12:00Z"}]
    others = [
        {"user_id": "ann", "paid": False, "ts": "2026-03-01T12:00Z", "told": "2026-03-01T12:00Z"},
        {"user_id": "ann", "paid": True, "ts": "2026-03-01T09:00Z", "told": "2026-03-01T12:00Z"},
        {"user_id": "ann", "paid": True, "ts": "2026-03-03T10:00Z", "told": "2026-03-03T12:00Z"},
        {"user_id": "ann", "paid": True, "ts": "2026-03-01T12:00Z", "told": "2026-04-01T12:00Z"},
    ]
    test = FeatureTest(
        "ann buys",
        events={"clicks": TWO_CLICKS, "orders": [*ONE_ORDER, *strangers, *others]},
        as_of="2026-03-20T00:00Z",
        expected=[{"user_id": "ann", "at": TOUCHES[0], "bought": 1}],
    )
    with Trial(ALL, tmp_path) as trial:
        outcome = trial.run(test)
    assert outcome.offline_only == "labels are of training sets alone"
    (failure,) = outcome.failures
    assert (failure.offline.value, failure.online) == (0, None)
    assert [(each.source, each.number, each.counts, each.why) for each in failure.events] == [
        ("orders", 1, True, "in the label's span"),
        ("orders", 2, False, "another user_id"),
        ("orders", 3, False, "not paid"),
        ("orders", 4, False, "before the row"),
        ("orders", 5, False, "after the label's span, which ends 2026-03-03T10:00:00Z"),
        ("orders", 6, False, "known 2026-04-01T12:00:00Z, not before as_of"),
        ("clicks", 1, True, "the row's touch"),
        ("clicks", 2, True, "another touch"),
    ]
    assert "another touch" in outcome.told()


def test_names_that_mean_nothing() -> None:
    row = {"user_id": "ann", "at": TOUCHES[0]}
    with pytest.raises(UnknownNameError, match="There is no feature or label named 'boght'"):
        assert_features(ALL, events={}, expected=[{"boght": 1, **row}])
    with pytest.raises(UnknownNameError, match="named 'worth_mature'"):
        assert_features(ALL, events={}, expected=[{"bought": 1, "worth_mature": True, **row}])
    with pytest.raises(DataError):
        assert_features(ALL, events={}, as_of="soon", expected=[{"bought": 1, **row}])
