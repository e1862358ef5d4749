from __future__ import annotations

import pytest

import headrace as hr
from headrace.clock import DAY
from tests.definitions.refusals import refused
from tests.definitions.samples import events, table

conversions, clicks = events(name="conversions"), events(name="clicks")


def test_a_label_says_what_followed_what() -> None:
    label = hr.Label("converted", source=conversions, touches=clicks, keys=["user_id", "ad_id"], within="7d")
    assert (label.within, label.attribution, label.keys) == (7 * DAY, "last_touch", ("user_id", "ad_id"))
    assert [str(each) for each in label.references] == ["conversions", "clicks"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.Label("l", source=table(), keys=["user_id"]), "source is an hr.EventSource"),  # type: ignore[arg-type]
        (lambda: hr.Label("l", source=clicks, touches="x", keys=["user_id"]), "touches is an"),  # type: ignore[arg-type]
        (lambda: hr.Label("l", source=clicks, keys=[]), "it needs keys"),
        (lambda: hr.Label("l", source=clicks, keys="user_id"), "keys is a list of columns"),
        (lambda: hr.Label("l", source=clicks, keys=["user_id", "user_id"]), "a key is given twice"),
        (lambda: hr.Label("l", source=clicks, keys=["house"]), "source 'clicks' has no column 'house'"),
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], value="v"),
            "source 'clicks' has no column 'v'",
        ),
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], value="event"),
            "value needs a column of numbers",
        ),
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], within="soon"),
            "within: 'soon' is not a duration",
        ),
        (lambda: hr.Label("l", source=clicks, keys=["user_id"], within="0s"), "within is nothing"),
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], attribution="all"),
            "'all' is not an attribution",
        ),
        (lambda: hr.Label("l", source=clicks, keys=["user_id"], where=" "), "where is an SQL condition"),
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], touches_where="vip"),
            "touches_where selects touches, and there are none",
        ),
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], value="age", count=True),
            "it has a value and a count",
        ),
        (lambda: hr.Label("l", source=clicks, keys=["user_id"], count=1), "count is True or False"),  # type: ignore[arg-type]
        (
            lambda: hr.Label("l", source=clicks, keys=["user_id"], reported_within="late"),
            "reported_within: 'late' is not a duration",
        ),
    ],
)
def test_a_wrong_label_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused(make, says)  # type: ignore[arg-type]
