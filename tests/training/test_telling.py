"""Whether a column alone tells an outcome, by columns of every type a spine may have."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.offline.telling import tells

OUTCOME = np.array([n % 3 == 0 for n in range(60)])
DAY = dt.date(2026, 1, 1)


def told(make: Any, of: pa.DataType | None = None) -> float | None:
    return tells(
        pa.chunked_array([pa.array([make(bool(each), n) for n, each in enumerate(OUTCOME)], of)]), OUTCOME
    )


@pytest.mark.parametrize(
    ("make", "of"),
    [
        (lambda yes, _: yes, pa.bool_()),
        (lambda yes, n: n if yes else -n, pa.int64()),
        (lambda yes, n: 2**60 + n if yes else n, pa.uint64()),
        (lambda yes, _: None if yes else 1.0, pa.float64()),
        (lambda yes, n: Decimal(n) if yes else Decimal(100 + n), pa.decimal128(12, 2)),
        (lambda yes, _: DAY + dt.timedelta(days=int(yes)), pa.date32()),
        (lambda yes, _: dt.datetime(2026, 1, 1 + int(yes)), pa.timestamp("ns")),  # noqa: DTZ001
        (lambda yes, n: f"{'thanks' if yes else 'home'} {n % 5}", pa.string()),
        (lambda yes, _: None if yes else "home", pa.large_string()),
    ],
    ids=["bool", "int64", "uint64", "null", "decimal", "date", "ns", "text", "null text"],
)
def test_what_tells_is_found(make: Any, of: pa.DataType) -> None:
    assert told(make, of) == 1.0


@pytest.mark.parametrize(
    ("make", "of"),
    [
        (lambda _, n: n % 7, pa.int64()),
        (lambda yes, n: float(yes) if n % 9 else 0.0, pa.float64()),
        (lambda _, n: f"row {n}", pa.string()),
        (lambda yes, _: [int(yes)], pa.list_(pa.int64())),
        (lambda yes, _: b"1" if yes else b"0", pa.large_binary()),
        (lambda yes, _: dt.time(int(yes)), pa.time64("us")),
        (lambda _, __: None, pa.null()),
    ],
    ids=["noise", "nearly", "names", "list", "bytes", "time", "null"],
)
def test_what_does_not_tell_or_has_no_order_is_left_in_peace(make: Any, of: pa.DataType) -> None:
    assert told(make, of) is None


def test_of_few_rows_nothing_can_be_told() -> None:
    few = np.array([True] * 9 + [False] * 90)
    assert tells(pa.chunked_array([pa.array(few)]), few) is None
    enough = np.array([True] * 10 + [False] * 90)
    assert tells(pa.chunked_array([pa.array(enough)]), enough) == 1.0
