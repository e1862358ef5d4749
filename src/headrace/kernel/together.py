"""Merging several measures over the same ranges of a few rows, as in a request.

There a call costs more than what it does. Fields of one type that are reduced by one ufunc are laid side by
side and reduced over all ranges by one call, straight from the rows: nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.aggregations.algebra import Chosen, Columnwise, Fixed
from headrace.aggregations.states import Array, States
from headrace.kernel.ranges import RangeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.aggregations.algebra import Algebra
    from headrace.kernel.ranges import Ranges

__all__ = ["Together"]

Finish = Callable[[States, dict[int, Array], "Ranges"], States]
"""States of n rows, such of their fields as are reduced, the ranges -> the states of the ranges."""

FEW = 1 << 12
"""Up to how many rows all ranges may have together: from there on measures are better merged one by one."""


class _Reduced(NamedTuple):
    """A field that a ufunc reduces: of which measure, which one; its zero, an array of one."""

    measure: int
    field: int
    zero: Array


class _Block(NamedTuple):
    """Fields reduced together."""

    ufunc: np.ufunc
    fields: tuple[_Reduced, ...]

    def over(self, measures: Sequence[States], at: Array, n: int) -> Array:
        """Each field over each range, one row a field.

        Args:
            measures: The states of n rows of each measure.
            at: See `Ranges.alternating`.
            n: How many rows.
        """
        laid: list[Array] = []
        for measure, field, zero in self.fields:
            laid += (measures[measure].fixed[field], zero)
        # Behind the rows of each field stands its zero, which is what a range without rows finds.
        square = np.concatenate(laid).reshape(len(self.fields), n + 1)
        found: Array = self.ufunc.reduceat(square, at, axis=1)[:, ::2]
        return found


class Together:
    """Merges measures over the ranges they share."""

    def __init__(self, algebras: Sequence[Algebra]) -> None:
        """For the measures of some algebras."""
        self._algebras = algebras
        blocks: dict[tuple[np.ufunc, str], list[_Reduced]] = {}
        for measure, algebra in enumerate(algebras):
            for field, (ufunc, dtype, zero) in enumerate(_reduced(algebra)):
                each = _Reduced(measure, field, np.array([zero], dtype))
                blocks.setdefault((ufunc, dtype), []).append(each)
        self._finish = [_finisher(algebra) for algebra in algebras]
        self._blocks = [_Block(ufunc, tuple(fields)) for (ufunc, _), fields in blocks.items()]

    def over(self, measures: Sequence[States], ranges: Ranges) -> list[States]:
        """The states of each measure merged over each range.

        Args:
            measures: For each algebra, the states of n rows.
            ranges: Ranges of them.
        """
        n = measures[0].n
        if ranges.total > FEW:
            return self._one_by_one(measures, ranges)
        reduced: list[dict[int, Array]] = [{} for _ in measures]
        at = ranges.alternating(n)
        for block in self._blocks:
            rows = block.over(measures, at, n)
            for each, row in zip(block.fields, rows, strict=True):
                reduced[each.measure][each.field] = row
        return [
            finish(states, fields, ranges)
            for finish, states, fields in zip(self._finish, measures, reduced, strict=True)
        ]

    def _one_by_one(self, measures: Sequence[States], ranges: Ranges) -> list[States]:
        coarse = ranges.coarse(measures[0].n)
        if coarse is None:
            return [
                RangeIndex(algebra, states).over(ranges)
                for algebra, states in zip(self._algebras, measures, strict=True)
            ]
        cuts, pieces = coarse
        return [
            RangeIndex(algebra, algebra.reduce(states, cuts)).over(pieces)
            for algebra, states in zip(self._algebras, measures, strict=True)
        ]


def _finisher(algebra: Algebra) -> Finish:
    """What makes the states of ranges out of a measure's reduced fields, or of its rows."""

    def columnwise(states: States, fields: dict[int, Array], ranges: Ranges) -> States:
        return States(
            len(ranges), tuple([fields[at] for at in range(len(fields))]), None, (), states.dictionaries
        )

    def settled(states: States, fields: dict[int, Array], ranges: Ranges) -> States:
        return settle(columnwise(states, fields, ranges))

    def chosen(states: States, fields: dict[int, Array], _ranges: Ranges) -> States:
        return of_keys(states, fields[0])

    def gathered(states: States, _fields: dict[int, Array], ranges: Ranges) -> States:
        at, offsets = ranges.gathered
        return algebra.reduce(states.take(at), offsets)

    def indexed(states: States, _fields: dict[int, Array], ranges: Ranges) -> States:
        return RangeIndex(algebra, states).over(ranges)

    match algebra:
        case Columnwise(settled=settle):
            return columnwise if type(algebra).settled is Columnwise.settled else settled
        case Chosen(of_keys=of_keys):
            return chosen
        case Fixed():
            return gathered
        case _:
            return indexed


def _reduced(algebra: Algebra) -> Iterator[tuple[np.ufunc, str, int | float]]:
    """The fields that a ufunc reduces, from the first on."""
    if isinstance(algebra, Columnwise):
        for ufunc, field, zero in zip(algebra.ufuncs, algebra.fixed, algebra.zeros, strict=True):
            yield ufunc, field.dtype, zero
    elif isinstance(algebra, Chosen):
        yield algebra.chooses, algebra.fixed[0].dtype, algebra.nothing
