"""Negative sampling: which rows without an outcome stay, decided by each row alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import hash_bytes
from headrace.errors import DataError
from headrace.kernel.order import instant_bytes
from headrace.kernel.row_bytes import row_bytes
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.states import Array
    from headrace.offline.spine import Spine
    from headrace.schema import Type

__all__ = ["WEIGHT", "Negatives"]

WEIGHT = "sample_weight"
"""The column of weights: 1 for a row with an outcome, 1 / share for one without."""

_HASHES = 1 << 64


@dataclass(frozen=True)
class Negatives:
    """How many of the rows without an outcome are kept.

    A row is kept if a hash of its keys, its instant and the seed falls into the share. So neither the order
    of rows, nor what other rows there are, nor the batch it comes in matters, and the rows of a smaller share
    are among those of a greater one.

    Attributes:
        share: Above 0, at most 1.
        seed: Another seed keeps other rows.
    """

    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the share.

        Raises:
            DataError: It is no share.
        """
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 < self.share <= 1:
            raise DataError(
                f"{self.share!r} is no share of the negatives.",
                asked=self.share,
                remedy="Give a number above 0 and at most 1, as in negatives=0.1.",
            )

    def kept(self, spine: Spine, keys: Mapping[str, Type], negative: Array) -> Array:
        """Which rows stay, n bool.

        Args:
            spine: The rows.
            keys: The columns that tell rows apart, beside the instant.
            negative: Which rows may go.
        """
        stays = np.ones(len(negative), dtype=bool)
        rows = np.flatnonzero(negative)
        if self.share < 1 and len(rows):
            schema = Schema({name: keys[name] for name in sorted(keys)})
            keys_of = row_bytes(spine.keys(schema).take(pa.array(rows)), schema).cast(pa.binary())
            parts = [pa.scalar(f"{self.seed}:".encode()), instant_bytes(spine.t[rows]), keys_of]
            hashed = hash_bytes(pc.binary_join_element_wise(*parts, b"").to_pylist())
            stays[rows] = hashed < np.uint64(int(self.share * _HASHES))
        return stays

    def weights(self, positive: Array, negative: Array) -> pa.Array:
        """The weight of each row: with it, sums over the kept rows are unbiased; null for neither."""
        return pa.array(np.where(positive, 1.0, 1.0 / self.share), mask=~(positive | negative))
