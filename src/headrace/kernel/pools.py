"""Merging states with entries over many ranges of rows: their entries are pooled and brought into form.

Ranges that overlap share work in two ways. Where entries are a key and integers, those of ranges that slide
are counted once (`kernel/sliding.py`). Where they are not, or there are too many keys, blocks of rows are
merged once, level upon level, and a range pools the blocks it holds instead of their rows.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from headrace.aggregations.states import Array, States, expand, offsets_of
from headrace.kernel.sliding import counted, runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.aggregations.algebra import Ragged

__all__ = ["Pools", "in_steps"]

Spans: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""One end of the span of each range, or of each of its spans: ranges by spans."""

POOL = 1 << 22
"""How many entries or rows are gathered at once: bounds the memory of one step."""
FAN = 8
"""How many blocks of one level make one of the next."""
WORTH = 4
"""How often an entry must be pooled, on average, for blocks to be merged; and how much they must spare."""


class Pools:
    """Answers range queries over the rows of one measure with entries."""

    def __init__(self, algebra: Ragged, states: States) -> None:
        """Over the states of an algebra."""
        self._algebra = algebra
        self._rows = _Pieces(states)

    def over(self, lo: Array, hi: Array) -> States:
        """The merged states of rows `lo[i]` to `hi[i]` for each i."""
        starts, stops = self._rows.offsets[lo], self._rows.offsets[hi]
        sliding = runs(starts, stops) if self._algebra.additive else []
        if not sliding:
            return self._pooled(lo, hi)
        found, done = [], 0
        for run in sliding:
            found.append(self._pooled(lo[done : run.first], hi[done : run.first]))
            done = run.first
            of_run = slice(run.first, run.last)
            for n, entries in counted(self._rows.states, starts[of_run], stops[of_run]):
                some = slice(done, done + n)
                if entries is None:
                    found.append(self._pooled(lo[some], hi[some]))
                else:
                    flags = self._rows.flags(lo[some], hi[some])
                    found.append(self._algebra.normalise(_flagged(entries, flags)))
                done += n
        found.append(self._pooled(lo[done:], hi[done:]))
        return States.concat(found)

    def _pooled(self, lo: Array, hi: Array) -> States:
        """The same by pooling what each range holds."""
        rows = self._rows
        starts, stops = self._algebra.narrow(rows.states, rows.offsets[lo], rows.offsets[hi])
        total = int((stops - starts).sum())
        if total > WORTH * len(rows.states.entries[0]):
            blocks = self._blocks
            first, last = blocks.spans(lo, hi)
            begin, end = blocks.offsets[first], blocks.offsets[last]
            if WORTH * int((end - begin).sum()) <= total:
                return self._gathered(blocks, (begin, end), blocks.flags(first, last))
        return self._gathered(rows, (starts, stops), rows.flags(lo, hi))

    def _gathered(self, pieces: _Pieces, of: tuple[Spans, Spans], flags: tuple[Array, ...]) -> States:
        """The entries of each range, in form.

        Args:
            pieces: Where the entries lie.
            of: Where the entries of each range begin and end.
            flags: The ranges' flags.
        """
        states, (begin, end) = pieces.states, of
        held = end - begin
        lengths = held if held.ndim == 1 else held.sum(axis=1)

        def part(start: int, stop: int) -> States:
            some = slice(start, stop)
            at = expand(begin[some].reshape(-1), held[some].reshape(-1))
            entries = tuple(column[at] for column in states.entries)
            pooled = States(stop - start, (), offsets_of(lengths[some]), entries, states.dictionaries)
            return self._algebra.normalise(_flagged(pooled, tuple(flag[some] for flag in flags)))

        return in_steps(part, lengths)

    @cached_property
    def _blocks(self) -> _Blocks:
        return _Blocks(self._algebra, self._rows.states)


class _Pieces:
    """States whose entries are pooled."""

    def __init__(self, states: States) -> None:
        """Over some states with entries."""
        assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        self.states = states
        self.offsets = states.offsets
        self._before = [offsets_of(column) for column in states.fixed]

    def flags(self, starts: Spans, stops: Spans) -> tuple[Array, ...]:
        """The flags of ranges: whether any state of theirs has it."""
        return tuple(
            _any(before[stops] > before[starts]).astype(column.dtype)
            for before, column in zip(self._before, self.states.fixed, strict=True)
        )


class _Blocks(_Pieces):
    """Rows, blocks of rows, blocks of blocks, ...: all of them one after another.

    A block may hold rows of several entities; no range does, and so none holds that block.
    """

    def __init__(self, algebra: Ragged, states: States) -> None:
        """Merge the blocks of every level."""
        levels = [states]
        while levels[-1].n >= 2 * FAN:
            whole = np.arange(levels[-1].n // FAN + 1) * FAN
            levels.append(algebra.reduce(levels[-1], whole))
        super().__init__(States.concat(levels))
        self._bases = offsets_of(np.array([level.n for level in levels]))[:-1].tolist()

    def spans(self, lo: Array, hi: Array) -> tuple[Spans, Spans]:
        """What makes up each range: two spans of every level, of which many are empty."""
        *below, top = self._bases
        starts, stops = [], []
        for base in below:
            first, last = -(-lo // FAN), hi // FAN
            up = first < last
            starts += [base + lo, base + np.where(up, last * FAN, hi)]
            stops += [base + np.where(up, first * FAN, hi), base + hi]
            lo, hi = np.where(up, first, 0), np.where(up, last, 0)
        return np.stack([*starts, top + lo], axis=1), np.stack([*stops, top + hi], axis=1)


def _any(of: Spans) -> Spans:
    found: Spans = np.logical_or.reduce(of, axis=1) if of.ndim > 1 else of
    return found


def _flagged(states: States, flags: tuple[Array, ...]) -> States:
    return States(states.n, flags, states.offsets, states.entries, states.dictionaries)


def in_steps(part: Callable[[int, int], States], lengths: Array) -> States:
    """Work through the queries so that about `POOL` rows are gathered at once."""
    total = np.cumsum(lengths)
    if not len(total) or total[-1] <= POOL:
        return part(0, len(lengths))
    cuts = np.unique(np.searchsorted(total, np.arange(POOL, int(total[-1]), POOL), side="left") + 1)
    bounds = [0, *(int(cut) for cut in cuts if 0 < cut < len(lengths)), len(lengths)]
    return States.concat([part(start, stop) for start, stop in pairwise(bounds)])
