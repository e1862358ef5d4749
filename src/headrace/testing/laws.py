"""Law zero as a suite: whatever the split, the order and the tree of merges, the state is that of the whole.

`check_aggregations` holds aggregations, their algebras and their finished values to it over one log;
`check_algebra` holds a single algebra. States are built part by part, each over dictionaries of its own, as
separate workers would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from headrace.aggregations.algebra import Fixed
from headrace.aggregations.states import States
from headrace.testing.agreement import agree
from headrace.testing.formulas import Event
from headrace.testing.lifting import lift_python, meaning, read_finished
from headrace.testing.oracle import accepted, historical

if TYPE_CHECKING:
    import random

    from headrace.aggregations.algebra import Algebra
    from headrace.aggregations.base import Aggregation, Measure
    from headrace.schema import Type

__all__ = ["Codec", "check_aggregations", "check_algebra"]

Codec: TypeAlias = "Callable[[Algebra, States], States]"
"""States through bytes and back; it must change nothing."""

Lift: TypeAlias = Callable[[Sequence[Event]], States]


@np.errstate(over="ignore", invalid="ignore")
def check_aggregations(
    features: Sequence[Aggregation],
    rows: Sequence[Mapping[str, Any]],
    *,
    types: Mapping[str, Type],
    timestamp: str,
    t: int,
    shuffle: random.Random,
    codec: Codec | None = None,
    zone: str = "UTC",
) -> None:
    """Hold aggregations to law zero and to the oracle.

    Args:
        features: Aggregations over the lifetime window, beside those they refer to.
        rows: Events as the oracle takes them, all of one entity.
        types: The columns' types.
        timestamp: The column of event times.
        t: The query instant; events from then on do not count.
        shuffle: Where splits, orders and trees of merges come from.
        codec: States through bytes and back, if that is to hold too.
        zone: IANA name of the zone whose days and hours count.
    """
    features = [feature.placed(zone) for feature in features]
    log = [event for event in accepted(rows, (), timestamp, types) if event.known < t]
    siblings = {feature.name: feature for feature in features}
    spine = [{"t": t}, {"t": t + 3_600_000_000}]
    how: dict[str, Any] = {"key_columns": (), "timestamp": timestamp, "schema": types, "zone": zone}
    counted = [event.row for event in log]
    some = historical(features, counted, spine, **how)
    none = historical(features, [], spine[:1], **how)
    for feature in features:
        measures = feature.measures(types, siblings)
        for measure in measures:
            check_algebra(measure, log, types, shuffle=shuffle, codec=codec)
        columns = []
        for measure in measures:
            lift = _lifter(measure, log, types, shuffle)
            states = [_split(measure.algebra, lift, log, shuffle) for _ in spine] + [measure.algebra.zero(1)]
            columns.append(States.concat(_through(codec, measure.algebra, states)))
        instants = np.array([t, t + 3_600_000_000, t], dtype=np.int64)
        algebras = tuple(measure.algebra for measure in measures)
        finished = feature.finish(tuple(columns), instants, types, algebras)
        for output, column in zip(feature.outputs(types), finished, strict=True):
            name = feature.feature_name(feature.windows[0]) + (
                f"__{output.companion}" if output.companion else ""
            )
            for expected, (value, invalid) in zip(
                [*some, *none], read_finished(column, output.type, 3), strict=True
            ):
                want = expected[name]
                assert invalid == (want.status == "INVALID"), (
                    f"{feature!r}: {want} expected, invalid={invalid}"
                )
                if not (invalid and want.value is None):
                    assert agree(want, value), f"{feature!r}: {want} expected, got {value!r}"


@np.errstate(over="ignore", invalid="ignore")
def check_algebra(
    measure: Measure,
    log: Sequence[Event],
    types: Mapping[str, Type],
    *,
    shuffle: random.Random,
    codec: Codec | None = None,
) -> None:
    """Hold the algebra of a measure to its laws over a log.

    Args:
        measure: An algebra, its columns and filter.
        log: Events of one entity (`oracle.accepted`).
        types: The columns' types.
        shuffle: Where splits, orders and trees of merges come from.
        codec: States through bytes and back, if that is to hold too.
    """
    algebra, lift = measure.algebra, _lifter(measure, log, types, shuffle)
    whole = _reduced(algebra, lift(log))
    _same(algebra, _split(algebra, lift, log, shuffle), whole, "a split merges to the whole")
    _same(algebra, _split(algebra, lift, log, shuffle), whole, "any other split does too")
    _zero_is_identity(algebra, whole)
    a, b, c = (_reduced(algebra, lift(part)) for part in _cut(log, 3, shuffle))
    _same(algebra, _merged(algebra, a, b), _merged(algebra, b, a), "merge commutes")
    left, right = _merged(algebra, _merged(algebra, a, b), c), _merged(algebra, a, _merged(algebra, b, c))
    _same(algebra, left, right, "merge associates")
    _groups(algebra, lift, log, shuffle)
    _columns(algebra, [whole, a, algebra.zero(2), b, c], shuffle)
    if algebra.subtractable:
        _subtracts(algebra, a, b)
    if codec is not None:
        for states in (whole, algebra.zero(2), States.concat([a, b, c]), lift(log)):
            _identical(codec(algebra, states), states, "states survive their bytes")


# --- the laws ---


def _zero_is_identity(algebra: Algebra, whole: States) -> None:
    zero = algebra.zero(1)
    _identical(_merged(algebra, zero, whole), whole, "zero on the left changes nothing")
    _identical(_merged(algebra, whole, zero), whole, "zero on the right changes nothing")
    _identical(_merged(algebra, zero, zero), zero, "zero and zero is zero")
    nothing = algebra.reduce(whole, np.zeros(4, dtype=np.int64))
    _identical(nothing, algebra.zero(3), "an empty group is zero")
    assert algebra.zero(0).n == algebra.reduce(whole, np.zeros(1, dtype=np.int64)).n == 0


def _groups(algebra: Algebra, lift: Lift, log: Sequence[Event], shuffle: random.Random) -> None:
    """One reduce of many groups, empty ones among them, from anywhere to anywhere, is each group's own."""
    states = _frozen(lift(log))
    cuts = sorted(shuffle.choices(range(len(log) + 1), k=shuffle.randint(1, 6)))
    rows = algebra.reduce(states, np.array(cuts, dtype=np.int64))
    assert rows.n == len(cuts) - 1
    if isinstance(algebra, Fixed):
        pairwise_merged = Fixed.reduce(algebra, states, np.array(cuts, dtype=np.int64))
        _same(algebra, rows, pairwise_merged, "reducing at once is merging two by two")
    for place, (start, stop) in enumerate(pairwise(cuts)):
        alone = _reduced(algebra, lift(log[start:stop]))
        _same(algebra, rows.slice(place, place + 1), alone, "a group among others is the group alone")


def _columns(algebra: Algebra, parts: Sequence[States], shuffle: random.Random) -> None:
    """`concat`, `take` and `slice` move states and change none; a merge of columns is one of each row."""
    rows = [each for part in parts for each in meaning(algebra, part)]
    column = _frozen(States.concat(parts))
    assert meaning(algebra, column) == rows, f"{algebra!r}: concat changes no state"
    picked = [shuffle.randrange(column.n) for _ in range(7)]
    taken = column.take(np.array(picked, dtype=np.int64))
    assert meaning(algebra, taken) == [rows[row] for row in picked], f"{algebra!r}: take changes no state"
    start = shuffle.randint(0, column.n)
    stop = shuffle.randint(start, column.n)
    assert meaning(algebra, column.slice(start, stop)) == rows[start:stop], (
        f"{algebra!r}: slice changes no state"
    )
    both = States.concat([taken, column.take(np.array(picked[::-1], dtype=np.int64))])
    merged = algebra.merge(_frozen(both.slice(0, 7)), _frozen(both.slice(7, 14)))
    for place, (left, right) in enumerate(zip(picked, reversed(picked), strict=True)):
        alone = _merged(algebra, column.slice(left, left + 1), column.slice(right, right + 1))
        _identical(merged.slice(place, place + 1), alone, "a merge of columns is one of each row")


def _subtracts(algebra: Algebra, a: States, b: States) -> None:
    """Fields of the whole less those of a part are the rest's, once a merge has brought them into form."""
    both = _merged(algebra, a, b)
    assert all(column.dtype == np.int64 for column in both.fixed), (
        f"{algebra!r}: only integers may be subtracted"
    )
    rest = States(1, tuple(whole - part for whole, part in zip(both.fixed, a.fixed, strict=True)))
    _identical(_merged(algebra, rest, algebra.zero(1)), b, "what may be subtracted is exact")


# --- splits and merges ---


def _lifter(
    measure: Measure, log: Sequence[Event], types: Mapping[str, Type], shuffle: random.Random
) -> Lift:
    places = sorted({event.place for event in log})
    keys = {place: rank.to_bytes(4) for rank, place in enumerate(places)}
    return lambda rows: lift_python(measure, rows, types, keys, garbage=shuffle.random() < 0.5)


def _cut(log: Sequence[Event], n: int, shuffle: random.Random) -> list[list[Event]]:
    """The log dealt out to n parts, each in some order."""
    parts: list[list[Event]] = [[] for _ in range(n)]
    for event in shuffle.sample(list(log), len(log)):
        shuffle.choice(parts).append(event)
    return parts


def _split(algebra: Algebra, lift: Lift, log: Sequence[Event], shuffle: random.Random) -> States:
    """The state of the whole by a random split and a random tree of merges."""
    parts = [_reduced(algebra, lift(part)) for part in _cut(log, shuffle.randint(1, 6), shuffle)]
    while len(parts) > 1:
        at = shuffle.randrange(len(parts) - 1)
        left, right = parts.pop(at), parts.pop(at)
        parts.insert(at, _merged(algebra, left, right))
    return parts[0]


def _reduced(algebra: Algebra, states: States) -> States:
    return algebra.reduce(_frozen(states), np.array([0, states.n], dtype=np.int64))


def _merged(algebra: Algebra, left: States, right: States) -> States:
    both = States.concat([_frozen(left), _frozen(right)])
    return algebra.merge(_frozen(both.slice(0, left.n)), _frozen(both.slice(left.n, both.n)))


def _through(codec: Codec | None, algebra: Algebra, states: list[States]) -> list[States]:
    return states if codec is None else [codec(algebra, each) for each in states]


def _frozen(states: States) -> States:
    """The same states, so that a verb that changes its input in place fails."""
    for column in (*states.fixed, *states.entries, states.offsets):
        if column is not None:
            column.flags.writeable = False
    return states


# --- equality ---


def _identical(left: States, right: States, law: str) -> None:
    assert _columns_of(left) == _columns_of(right), law
    assert meaning(None, left) == meaning(None, right), law


def _columns_of(states: States) -> tuple[int, int, bool]:
    return len(states.fixed), len(states.entries), states.offsets is None


def _same(algebra: Algebra, left: States, right: States, law: str) -> None:
    """Equal but for rounding: doubles that were added up are judged when they are finished."""
    assert meaning(algebra, left, exact=False) == meaning(algebra, right, exact=False), f"{algebra!r}: {law}"
