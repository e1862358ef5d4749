"""Extremes of few values, all on one side of zero, with rows that do not count beside them."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pytest

from headrace import agg
from headrace.schema import Schema
from headrace.testing.laws import check_aggregations
from headrace.testing.nasty import COLUMNS

VALUES = {
    "amount": [-3, -7, 5, 9],
    "score": [-1.5, -2.25, 0.5, 1e-300],
    "price": [Decimal("-0.0001"), Decimal(-5), Decimal("0.5"), Decimal(7)],
    "day": [dt.date(1969, 12, 31), dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(1970, 1, 2)],
    "seen": [-1, -5, 1, 2],
    "flag": [False, False, True, True],
    "word": ["", "a", "b", "\x00"],
    "raw": [b"", b"\x00", b"\xff", b"a"],
}


@pytest.mark.parametrize("make", [agg.min, agg.max], ids=["min", "max"])
@pytest.mark.parametrize("column", VALUES)
@pytest.mark.parametrize("sign", [slice(0, 2), slice(2, 4), slice(0, 4)], ids=["below", "above", "both"])
def test_extremes_on_one_side_of_zero(make, column, sign, seed):
    schema = Schema({"ts": "timestamp", column: COLUMNS[column]})
    values = [*VALUES[column][sign], None]
    rows = [{"ts": place, column: value, "kept": value is not None} for place, value in enumerate(values)]
    for filtered in (None, "kept"):
        feature = make("f", column, where=filtered, windows="all")
        check_aggregations([feature], rows, types=schema, timestamp="ts", t=99, shuffle=random.Random(seed))
