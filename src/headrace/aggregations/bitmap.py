"""Bitmaps of local time: the days or hours on the wall clock in which something happened."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.states import Array, Events, Field, States, lengths_of, offsets_of
from headrace.clock import HOUR
from headrace.lazy import numpy as np
from headrace.local_time import local_days, wall_time

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LocalBits"]

_WORD = 6
"""A word has 2^6 bits."""
_POOL = 1 << 16
"""How many words are spelled out as bits at once: 4 MB of them."""


@dataclass(frozen=True)
class LocalBits(Ragged):
    """State: entries (word, bits), ascending by word: bit b of word w stands for day or hour 64 w + b.

    Days are counted from 1970-01-01, hours from its midnight on the wall clock. States merge by OR. A year
    has at most seven words of days, and 138 of hours: a lifetime's state grows with years, not with events.

    Attributes:
        unit: What a bit stands for.
        zone: The zone of the wall clock.
    """

    unit: Literal["day", "hour"]
    zone: str
    entries = (Field("word", "<i8"), Field("bits", "<u8"))

    def lift(self, events: Events) -> States:
        """One bit for each event that counts."""
        time = events.time if events.counts is None else events.time[events.counts]
        number = local_days(time, self.zone) if self.unit == "day" else wall_time(time, self.zone) // HOUR
        bits = np.uint64(1) << (number & ((1 << _WORD) - 1)).astype(np.uint64)
        counted = np.ones(events.n, np.int64) if events.counts is None else events.counts
        return States(events.n, (), offsets_of(counted), (number >> _WORD, bits))

    def normalise(self, states: States) -> States:
        """One entry for each word, ascending."""
        rows, (words, bits) = self.rows_of(states), states.entries
        if not _ascending(rows, words):
            by = np.lexsort((words, rows))
            words, bits = words[by], bits[by]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (rows[1:] != rows[:-1]) | (words[1:] != words[:-1])
        starts = np.flatnonzero(first)
        merged = np.bitwise_or.reduceat(bits, starts) if len(starts) else bits
        offsets = offsets_of(np.bincount(rows[starts], minlength=states.n))
        return States(states.n, (), offsets, (words[starts], merged))

    def counts(self, states: States) -> Array:
        """How many bits each state has, int64."""
        assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        total = offsets_of(np.bitwise_count(states.entries[1]).astype(np.int64))
        return lengths_of(total[states.offsets])

    def numbers(self, states: States) -> tuple[Array, Array]:
        """The days or hours of all states, ascending in each state; and the row of each, both int64."""
        rows = self.rows_of(states)
        found = list(_spelled(*states.entries))
        at, numbers = (np.concatenate(column) for column in zip(*found, strict=True))
        return numbers, rows[at]


def _ascending(rows: Array, words: Array) -> bool:
    """Whether words ascend within each row, as they do where events come in the order of time."""
    return bool(((rows[1:] != rows[:-1]) | (words[1:] >= words[:-1])).all())


def _spelled(words: Array, bits: Array) -> Iterator[tuple[Array, Array]]:
    """The entry each bit comes from, and its number; some entries at a time."""
    for start, stop in pairwise([*range(0, len(words), _POOL), len(words)] if len(words) else [0, 0]):
        octets = bits[start:stop].astype("<u8").view(np.uint8).reshape(-1, 8)
        entry, bit = np.nonzero(np.unpackbits(octets, axis=1, bitorder="little"))
        yield entry + start, (words[start:stop][entry] << _WORD) + bit
