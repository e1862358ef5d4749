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
    if pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_dictionary(of):
        codes = pc.dictionary_encode(pc.cast(column, pa.string())).combine_chunks()
        places: Array = pc.fill_null(codes.indices.cast(pa.int64()), len(codes.dictionary)).to_numpy(
            zero_copy_only=False
        )
        if len(codes.dictionary) > _MOST_WORDS:
            return None
        # a word stands for the share of its rows that have the outcome
        counts = np.bincount(places)
        values = (np.bincount(places, weights=outcome) / np.maximum(counts, 1))[places]
    elif pa.types.is_nested(of) or pa.types.is_binary(of) or pa.types.is_null(of):
        return None
    else:
        if pa.types.is_temporal(of):
            column = column.cast(pa.int32() if pa.types.is_date32(of) else pa.int64())
        plain = pc.fill_null(column.cast(pa.float64()), -np.inf)
        values = plain.to_numpy()
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[group]
    return ranks
