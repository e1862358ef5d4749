"""Whether a column alone tells an outcome: how many pairs it ranks right, the area under the curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["tells"]

_FEWEST = 10
"""Of fewer rows with or without an outcome nothing can be told."""

_MOST_WORDS = 20
"""Of a text column with more different values each may happen to stand for one outcome."""

_TOO_GOOD = 0.995

_ORDERED = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_timestamp,
    pa.types.is_date,
)


def tells(column: pa.ChunkedArray, outcome: Array) -> float | None:
    """How well a column tells an outcome, if it is too good to be true.

    Args:
        column: n values; null counts as a value of its own.
        outcome: n bool.

    Returns:
        The share of pairs of a row with and a row without the outcome that the column ranks right, where that
        is nearly all; None otherwise, and where there are too few rows or the column has no order.
    """
    positives = int(outcome.sum())
    if min(positives, len(outcome) - positives) < _FEWEST:
        return None
    ranks = _ranks(column, outcome)
    if ranks is None:
        return None
    negatives = len(outcome) - positives
    above = ranks[outcome].sum() - positives * (positives + 1) / 2
    share = float(above / (positives * negatives))
    return max(share, 1 - share) if max(share, 1 - share) >= _TOO_GOOD else None


def _ranks(column: pa.ChunkedArray, outcome: Array) -> Array | None:
    """The rank of each value, ties in the middle; None where values have no order."""
    of = column.type
    if pa.types.is_string(of) or pa.types.is_large_string(of):
        values = _shares(column, outcome)
        if values is None:
            return None
    elif any(kind(of) for kind in _ORDERED):
        if pa.types.is_temporal(of):
            column = column.cast(pa.int32() if pa.types.is_date32(of) else pa.int64())
        values = pc.fill_null(column.cast(pa.float64(), safe=False), -np.inf).to_numpy()
    else:
        return None
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[group]
    return ranks


def _shares(column: pa.ChunkedArray, outcome: Array) -> Array | None:
    """Of each row's text the share of its rows that have the outcome; None where there are too many texts."""
    codes = pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
    if len(codes.dictionary) > _MOST_WORDS:
        return None
    places: Array = codes.indices.to_numpy()
    shares: Array = np.bincount(places, weights=outcome) / np.bincount(places)
    return shares[places]
