"""The suite of laws notices algebras that break them; each planted fault has been made somewhere."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest

from headrace.aggregations.base import Measure
from headrace.aggregations.by_key import ByKey
from headrace.aggregations.count import Count, Counting
from headrace.aggregations.decay import Decay, DecayedSum
from headrace.aggregations.distinct import Distinct, DistinctHashes
from headrace.aggregations.edge import Edge, Last
from headrace.aggregations.extreme import Extreme, Max
from headrace.aggregations.last_k import LastK, Newest
from headrace.aggregations.states import States
from headrace.aggregations.sum import DoubleSum, ExactSum, Sum
from headrace.schema import Schema
from headrace.testing.laws import check_aggregations

SCHEMA = Schema({"ts": "timestamp", "x": "int64", "y": "double", "word": "string"})
WORDS = ["b", "a", "d", "c"]
LOG = [
    {
        "ts": n * 1_000_000,
        "x": (n * 7) % 23 - 3,
        "y": n * 1.25 - 9,
        "word": WORDS[n * 5 % 4],
        "odd": n % 2 == 1,
    }
    for n in range(24)
] + [{"ts": 5_000_000, "x": None, "y": None, "word": None, "odd": None}]


def check(feature, log=LOG, schema=SCHEMA):
    for n in range(4):
        check_aggregations([feature], log, types=schema, timestamp="ts", t=10**10, shuffle=random.Random(n))


def planted(feature, algebra):
    """The feature with another algebra."""

    class Faulty(type(feature)):
        def measures(self, types, siblings):
            return tuple(
                Measure(algebra, each.columns, each.where) for each in super().measures(types, siblings)
            )

    return Faulty(**{each.name: getattr(feature, each.name) for each in fields(feature)})


COUNT = Count("f", windows="all", where="odd")
MAX = Max("f", "word", windows="all")
LIST = LastK("f", "x", k=3, windows="all")
LAST = Last("f", "word", windows="all")
MAP = Count("f", by="word", max_keys=2, windows="all")
SUMS = Sum("f", "y", by="word", windows="all")
DECAYED = DecayedSum("f", "y", half_life="30m")


@pytest.mark.parametrize("feature", [COUNT, MAX, LIST, LAST, MAP, SUMS, DECAYED], ids=lambda each: each.kind)
def test_what_keeps_the_laws_passes(feature):
    check(feature)


@dataclass(frozen=True)
class ZeroIsOne(Counting):
    zeros = (1,)


@dataclass(frozen=True)
class CountsAll(Counting):
    def lift(self, events):
        return super().lift(events._replace(counts=None))


@dataclass(frozen=True)
class LosesTheLastRow(Counting):
    def reduce(self, states, offsets):
        kept = np.where(np.diff(offsets) > 1, offsets[1:] - 1, offsets[1:])
        return super().reduce(states, np.append(offsets[:1], np.maximum.accumulate(kept)))


@dataclass(frozen=True)
class ChangesItsInput(Counting):
    def merge(self, left, right):
        left.fixed[0][...] += right.fixed[0]
        return left


@dataclass(frozen=True)
class KeepsTheLeft(Counting):
    def merge(self, left, right):
        return left


@dataclass(frozen=True)
class Doubles(Counting):
    def merge(self, left, right):
        return super().merge(super().merge(left, right), right)


@dataclass(frozen=True)
class Least(Extreme):
    @property
    def ufuncs(self):
        return (np.maximum, np.minimum)


@dataclass(frozen=True)
class MixesDictionaries(Extreme):
    """Takes codes for values: parts with dictionaries of their own no longer compare."""

    def lift(self, events):
        return States(events.n, super().lift(events).fixed)


@dataclass(frozen=True)
class OldestK(Newest):
    def normalise(self, states):
        turned = States(states.n, states.fixed, states.offsets, (-states.entries[0], *states.entries[1:]))
        kept = super().normalise(turned)
        entries = (-kept.entries[0], *kept.entries[1:])
        return States(kept.n, (), kept.offsets, entries, states.dictionaries)


@dataclass(frozen=True)
class OneTooFew(Newest):
    def normalise(self, states):
        return Newest(self.of, self.k - 1).normalise(states)


@dataclass(frozen=True)
class TiesByArrival(Edge):
    def merge(self, left, right):
        taken = right.fixed[0] != self.nothing
        columns = tuple(np.where(taken, b, a) for a, b in zip(left.fixed, right.fixed, strict=True))
        return States(left.n, columns, None, (), left.dictionaries)


@dataclass(frozen=True)
class ForgetsTruncation(ByKey):
    def normalise(self, states):
        kept = super().normalise(states)
        return States(kept.n, (np.zeros_like(kept.fixed[0]),), kept.offsets, kept.entries, kept.dictionaries)


@dataclass(frozen=True)
class KeepsTheFirstKeys(ByKey):
    def normalise(self, states):
        whole = ByKey(self.inner, self.key).normalise(states)
        lengths = np.minimum(np.diff(whole.offsets), self.max_keys)
        kept = (
            np.arange(len(whole.entries[0])) - np.repeat(whole.offsets[:-1], np.diff(whole.offsets))
            < self.max_keys
        )
        flags = whole.fixed[0] | (np.diff(whole.offsets) > self.max_keys).astype(np.uint8)
        entries = tuple(column[kept] for column in whole.entries)
        return States(whole.n, (flags,), np.append(0, np.cumsum(lengths)), entries, whole.dictionaries)


@dataclass(frozen=True)
class ForgetsToDecay(Decay):
    def merge(self, left, right):
        total = left.fixed[0] + right.fixed[0]
        return States(left.n, (total, np.maximum(left.fixed[1], right.fixed[1])))


@dataclass(frozen=True)
class Unsubtractable(DoubleSum):
    subtractable: ClassVar[bool] = True


@pytest.mark.parametrize(
    ("feature", "algebra"),
    [
        (COUNT, ZeroIsOne()),
        (COUNT, CountsAll()),
        (COUNT, LosesTheLastRow()),
        (COUNT, ChangesItsInput()),
        (COUNT, KeepsTheLeft()),
        (COUNT, Doubles()),
        (MAX, Least(SCHEMA["word"], greatest=True)),
        (MAX, MixesDictionaries(SCHEMA["word"], greatest=True)),
        (LIST, OldestK(SCHEMA["x"], 3)),
        (LIST, OneTooFew(SCHEMA["x"], 3)),
        (LAST, TiesByArrival(SCHEMA["word"], newest=True)),
        (MAP, ForgetsTruncation(Counting(), SCHEMA["word"], 2)),
        (MAP, KeepsTheFirstKeys(Counting(), SCHEMA["word"], 2)),
        (MAP, ByKey(Counting(), SCHEMA["word"], 3)),
        (DECAYED, ForgetsToDecay(1_800_000_000, SCHEMA["y"])),
        (DECAYED, Decay(1_900_000_000, SCHEMA["y"])),
        (Sum("f", "y", windows="all"), Unsubtractable()),
        (Sum("f", "y", windows="all"), Counting()),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_planted_fault_is_noticed(feature, algebra):
    faulty = planted(feature, algebra)
    with pytest.raises((AssertionError, ValueError), match=r"(?s).+"):
        check(faulty)


def test_an_integer_sum_that_rounds_is_noticed():
    feature = Sum("f", "x", windows="all")
    log = [{"ts": n, "x": 2**53 + n} for n in range(9)]
    schema = Schema({"ts": "timestamp", "x": "int64"})
    check(feature, log, schema)

    @dataclass(frozen=True)
    class Rounds(ExactSum):
        def lift(self, events):
            values = events.values[0]
            rounded = values._replace(data=values.data.astype(np.float32).astype(np.int64))
            return super().lift(events._replace(values=(rounded,)))

    with pytest.raises(AssertionError):
        check(planted(feature, Rounds()), log, schema)


def test_hashes_that_collide_are_noticed():
    log = [{"ts": n, "x": n} for n in range(900)]
    schema = Schema({"ts": "timestamp", "x": "int64"})
    feature = Distinct("f", "x", windows="all")
    check(feature, log, schema)

    @dataclass(frozen=True)
    class Short(DistinctHashes):
        def lift(self, events):
            lifted = super().lift(events)
            short = lifted.entries[0] & ~np.uint64(0xFFFFFFFFFFF)
            return States(lifted.n, (), lifted.offsets, (short,))

    with pytest.raises(AssertionError):
        check(planted(feature, Short()), log, schema)
