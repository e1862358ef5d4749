"""From plain Python to states and from finished states back, a value at a time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.aggregations.dictionary import SortedDictionary
from headrace.aggregations.states import Events, States, Values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.algebra import Algebra
    from headrace.aggregations.base import Measure
    from headrace.aggregations.states import Array, Field, Finished
    from headrace.schema import Type
    from headrace.testing.formulas import Event

__all__ = ["lift_python", "meaning", "read_finished", "values_of"]

_WORD = 1 << 64
_LEAST = -(1 << 63)


def lift_python(
    measure: Measure,
    rows: Sequence[Event],
    types: Mapping[str, Type],
    order_keys: Mapping[tuple[Any, ...], bytes],
    *,
    garbage: bool = False,
) -> States:
    """The lifted states of events, over dictionaries of their own.

    Args:
        measure: What lifts them.
        rows: The oracle's events.
        types: The columns' types.
        order_keys: The bytes that stand for each place in the total order of events.
        garbage: Whether what does not count holds the vilest values instead of zeros.
    """
    counts = np.array([_counts(measure, row) for row in rows], dtype=bool)
    values = tuple(
        values_of([row.row[column] for row in rows], types[column], garbage=garbage)
        for column in measure.columns
    )
    time = np.array([row.time for row in rows], dtype=np.int64)
    order, orders = None, None
    if measure.algebra.needs_order:
        orders, order = SortedDictionary.encode(
            pa.array([order_keys[row.place] for row in rows], pa.binary())
        )
    everything = bool(counts.all()) and not garbage
    return measure.algebra.lift(
        Events(len(rows), None if everything else counts, values, time, order, orders)
    )


def _counts(measure: Measure, row: Event) -> bool:
    passed = measure.where is None or row.row[measure.where] is True
    return passed and all(row.row[column] is not None for column in measure.columns)


def values_of(column: Sequence[Any], of: Type, *, garbage: bool = False) -> Values:
    """A column of Python values as an algebra takes it; nulls become zeros, or garbage."""
    if of.is_text:
        data = [value.encode() if isinstance(value, str) else value for value in column]
        dictionary, codes = SortedDictionary.encode(pa.array(data, pa.binary()))
        return Values(codes if garbage else np.maximum(codes, 0), of, dictionary)
    if of.name == "double":
        nothing = float("nan") if garbage else 0.0
        return Values(np.array([nothing if v is None else v for v in column], dtype=np.float64), of)
    words = [(_LEAST if garbage else 0) if value is None else _word(value, of) for value in column]
    return Values(np.array(words, dtype=np.int64), of)


def _word(value: Any, of: Type) -> int:
    if isinstance(value, Decimal):
        return int(Fraction(value) * 10**of.scale)
    return (value - dt.date(1970, 1, 1)).days if isinstance(value, dt.date) else int(value)


# --- what states and finished values mean ---


def meaning(algebra: Algebra | None, states: States, *, exact: bool = True) -> list[tuple[Any, ...]]:
    """Each state as plain values, codes replaced by what they stand for.

    Args:
        algebra: Tells which fields are doubles; not needed if exact.
        states: n states.
        exact: False leaves doubles out, but keeps how many there are.
    """
    fields: Sequence[Field] = () if algebra is None else (*algebra.fixed, *algebra.entries)
    columns = []
    for place, column in enumerate((*states.fixed, *states.entries)):
        if fields:
            assert column.dtype == np.dtype(fields[place].dtype), (
                f"{algebra!r}: {fields[place]} is {column.dtype}"
            )
        loose = not exact and column.dtype.kind == "f"
        columns.append([None] * len(column) if loose else _decoded(column, states.dictionaries[place]))
    fixed, entries = columns[: len(states.fixed)], columns[len(states.fixed) :]
    if states.offsets is None:
        assert all(len(column) == states.n for column in fixed)
        return list(zip(*fixed, strict=True))
    assert len(states.offsets) == states.n + 1
    return [
        (
            *(column[row] for column in fixed),
            tuple(zip(*(column[low:high] for column in entries), strict=True)),
        )
        for row, (low, high) in enumerate(zip(states.offsets[:-1], states.offsets[1:], strict=True))
    ]


def _decoded(column: Array, dictionary: Any) -> list[Any]:
    codes = column.tolist()
    if dictionary is None:
        # What was infinite both ways is nan for good: equal to itself here.
        return ["nan" if isinstance(code, float) and code != code else code for code in codes]  # noqa: PLR0124
    inside = [code for code in codes if 0 <= code < len(dictionary)]
    held = iter(dictionary.take(np.array(inside, dtype=np.int64)).to_pylist())
    return [next(held) if 0 <= code < len(dictionary) else code for code in codes]


def read_finished(finished: Finished, of: Type, n: int) -> list[tuple[Any, bool]]:
    """Each row's value as the oracle would write it, and whether its status is INVALID."""
    valid = [True] * n if finished.valid is None else finished.valid.tolist()
    invalid = [False] * n
    for marked in (finished.invalid, finished.partial):
        if marked is not None:
            invalid = [was or now for was, now in zip(invalid, marked.tolist(), strict=True)]
    if finished.offsets is None:
        values = _read(finished.data, of, finished.dictionary, finished.high, valid)
        return [(value if ok else None, bad) for value, ok, bad in zip(values, valid, invalid, strict=True)]
    shown = None if finished.valid_items is None else finished.valid_items.tolist()
    first, last = of.items[0], of.items[-1]
    if last.name == "struct":
        first, last = last.items
    items = _read(finished.data, last, finished.dictionary, finished.high, shown)
    if shown is not None:
        items = [item if ok else None for item, ok in zip(items, shown, strict=True)]
    keys = None if finished.keys is None else _read(finished.keys, first, finished.key_dictionary, None, None)
    rows = []
    for row, (low, high) in enumerate(zip(finished.offsets[:-1], finished.offsets[1:], strict=True)):
        value: Any = items[low:high]
        if keys is not None:
            pairs = list(zip(keys[low:high], items[low:high], strict=True))
            named = of.items[0].names
            value = [dict(zip(named, pair, strict=True)) for pair in pairs] if named else dict(pairs)
        rows.append((value if valid[row] else None, invalid[row]))
    return rows


def _read(data: Array, of: Type, dictionary: Any, high: Array | None, valid: list[bool] | None) -> list[Any]:
    if of.is_text:
        decoded = _decoded(data, dictionary)
        shown = [True] * len(decoded) if valid is None else valid
        return [
            value.decode() if ok and of.name == "string" and isinstance(value, bytes) else value
            for value, ok in zip(decoded, shown, strict=True)
        ]
    words = data.tolist()
    if of.name == "decimal":
        if high is not None:
            words = [upper * _WORD + low % _WORD for low, upper in zip(words, high.tolist(), strict=True)]
        return [Decimal((int(word < 0), tuple(map(int, str(abs(word)))), -of.scale)) for word in words]
    if of.name == "date":
        days = words if valid is None else [day if ok else 0 for day, ok in zip(words, valid, strict=True)]
        return [dt.date(1970, 1, 1) + dt.timedelta(days=day) for day in days]
    return [bool(word) for word in words] if of.name == "bool" else words
