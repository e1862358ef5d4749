"""Online against offline: value by value, status by status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headrace.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from headrace.offline.dataset import HistoricalFeatures
    from headrace.online.answer import OnlineFeatures

__all__ = ["Comparison", "Difference", "compare"]


class Difference(NamedTuple):
    """A value that is not the same on both sides.

    Attributes:
        feature: The output column.
        row: The entity's place among those asked.
        online: Value and status read online.
        offline: Value and status computed from the files.
    """

    feature: str
    row: int
    online: tuple[Any, int]
    offline: tuple[Any, int]


class Comparison(NamedTuple):
    """What comparing found.

    Attributes:
        entities: How many were asked about.
        features: How many features each has.
        differences: Where the sides differ.
        largest: The largest relative difference that the agreement of doubles allows, among those that are.
    """

    entities: int
    features: int
    differences: tuple[Difference, ...]
    largest: float

    @property
    def values(self) -> int:
        """How many values were compared."""
        return self.entities * self.features


def compare(
    online: OnlineFeatures, offline: HistoricalFeatures, slack: Mapping[str, float] | None = None
) -> Comparison:
    """Compare what was read online with what was computed from the files, for the same rows.

    Args:
        online: The answer.
        offline: The same features of the same entities in the same order, at the answer's instant.
        slack: Columns of doubles -> the relative difference allowed; all others are to be identical.

    Raises:
        DataError: The two sides hold different columns, rows or types.
    """
    table = offline.to_arrow()
    _same_shape(online, table)
    differences: list[Difference] = []
    largest = 0.0
    for name, column in online.columns.items():
        served, computed = _listed(column.values), _listed(table[name].combine_chunks())
        allowed = (slack or {}).get(name, 0.0)
        statuses = column.status.tolist(), offline.origin.statuses[name].tolist()
        both = zip(served, computed, *statuses, strict=True)
        for row, (mine, theirs, status, expected) in enumerate(both):
            if mine == theirs and status == expected:
                continue
            apart = _apart(mine, theirs)
            if status != expected or apart > allowed:
                differences.append(Difference(name, row, (mine, status), (theirs, expected)))
            else:
                largest = max(largest, apart)
    return Comparison(len(online), len(online.columns), tuple(differences), largest)


def _same_shape(online: OnlineFeatures, table: pa.Table) -> None:
    if table.num_rows != len(online):
        raise DataError(f"{len(online)} entities cannot be compared with {table.num_rows} rows.")
    for name, column in online.columns.items():
        if name not in table.column_names or table.schema.field(name).type != column.values.type:
            raise DataError(
                f"Feature {name!r} has no counterpart of its type.", asked=name, available=table.column_names
            )


def _listed(values: pa.Array) -> list[Any]:
    found: list[Any] = values.to_pylist(maps_as_pydicts="strict")
    return found


def _apart(one: Any, other: Any) -> float:
    """The relative difference of two doubles; infinite for anything else."""
    if not (isinstance(one, float) and isinstance(other, float)):
        return float("inf")
    return float(abs(one - other) / max(abs(one), abs(other), np.finfo(float).tiny))
