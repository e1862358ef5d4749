"""Attribution: which touch each event is credited to, and what its touches' credits come to as labels.

Events and touches of one entity lie in the same part; what `headrace.testing.labels` says in loops is done
here by sorting: a touch's competitors are its neighbours in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.aggregations.states import Array, Events, States
from headrace.clock import SECOND
from headrace.kernel.clean import KNOWN, TIME, condition_column
from headrace.kernel.columns import NOT_FOUND, PRESENT, ArrowColumn
from headrace.kernel.duplicates import without_copies
from headrace.kernel.finished import Stack
from headrace.kernel.ranges import RangeIndex, Ranges
from headrace.kernel.row_bytes import row_ranks
from headrace.kernel.rows import column_values, mask
from headrace.kernel.sorting import begins, by_keys, sorted_places
from headrace.schema import Schema
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.kernel.columns import Column
    from headrace.kernel.label_binding import EventsBinding, LabelBinding

__all__ = ["DELAY", "VALUE", "Questions", "labels_of"]

VALUE, DELAY = "value", "delay"
"""The columns of a label: null where there is no touch; seconds from the touch to its first event."""


class Questions(NamedTuple):
    """Rows of a spine.

    Attributes:
        entity: The entity's number, n; -1 where the key is not whole.
        t: The instant, n int64 microseconds.
        named: The touch's event id, n values; None where the spine does not tell touches of one instant
            apart.
    """

    entity: Array
    t: Array
    named: pa.Array | None = None


class _Touches(NamedTuple):
    """Touches, each instant (and id, where they are told apart) of an entity once, in their total order.

    Attributes:
        entity: Entity numbers, ascending.
        time: Instants, ascending within an entity.
        of: For each question the place of its touch; -1 for none.
    """

    entity: Array
    time: Array
    of: Array


class _Credits(NamedTuple):
    """For each touch a range of events: `at[lo:hi]` are the places of those credited to it, oldest first."""

    at: Array
    lo: Array
    hi: Array


@np.errstate(over="ignore", invalid="ignore")  # sums of doubles may end in infinity, which is their answer
def labels_of(
    binding: LabelBinding,
    events: tuple[pa.Table, Array],
    touches: tuple[pa.Table, Array] | None,
    asked: Questions,
    as_of: int,
) -> Mapping[str, Column]:
    """A label at each question.

    Args:
        binding: The label.
        events: Clean events of its source with their entities' numbers; all those of the entities asked for.
        touches: The same of its touches; None where those are the questions.
        asked: The questions.
        as_of: What was not known before this instant does not count.

    Returns:
        `VALUE` and `DELAY`, in the questions' order; the status of a value tells whether there is a touch.
    """
    able = _touches(binding, touches, asked, as_of)
    table, entity = _counted(binding.events, events, as_of)
    time: Array = table.column(TIME).to_numpy()
    by = by_keys(entity, time)
    credited = _credits(binding, able, entity[by], time[by])
    credited = credited._replace(at=by[credited.at])
    some = credited.lo < credited.hi
    first = np.zeros(len(some), dtype=np.int64)
    first[some] = time[credited.at[credited.lo[some]]]
    seconds = (first - able.time) / SECOND
    values = _values(binding, table, time, credited)
    return {
        VALUE: _asked(values, able.of),
        DELAY: _asked(pa.array(seconds, mask=~some), able.of),
    }


def _counted(side: EventsBinding, given: tuple[pa.Table, Array], as_of: int) -> tuple[pa.Table, Array]:
    """The events that count: each once, known before `as_of`, the condition TRUE."""
    table, entity = without_copies(*given, side.content, side.event_id)
    counts: Array = table.column(KNOWN).to_numpy() < as_of
    if side.where is not None:
        true = mask(table.column(condition_column(side.where)))
        counts = counts if true is None else counts & true
    counts = counts & (entity >= 0)
    return table.filter(pa.array(counts)), entity[counts]


def _touches(
    binding: LabelBinding, given: tuple[pa.Table, Array] | None, asked: Questions, as_of: int
) -> _Touches:
    """The touches there are, and which of them each question speaks of."""
    if given is None or binding.touches is None:
        entity, time, ids = asked.entity, asked.t, None
        here = (asked.entity >= 0) & (asked.t < as_of)
    else:
        table, found = _counted(binding.touches, given, as_of)
        entity = np.concatenate([found, asked.entity])
        time = np.concatenate([table.column(TIME).to_numpy(), asked.t])
        ids = None if asked.named is None else _codes(binding, table, asked.named)
        here = np.arange(len(entity)) < len(found)
    keys = (entity, time) if ids is None else (entity, time, ids)
    by = by_keys(*keys)
    fresh = begins(*[key[by] for key in keys])
    group = np.cumsum(fresh) - 1
    # a group of equal (entity, time, id) is a touch where one of its members is
    is_touch = np.zeros(int(group[-1]) + 1 if len(group) else 0, dtype=bool)
    is_touch[group[here[by]]] = True
    number = np.where(is_touch, np.cumsum(is_touch) - 1, -1)
    places = np.empty(len(by), dtype=np.int64)
    places[by] = number[group]
    heads = by[fresh][is_touch]
    return _Touches(entity[heads], time[heads], places[len(by) - len(asked.t) :])


def _codes(binding: LabelBinding, touches: pa.Table, named: pa.Array) -> Array:
    """Numbers for the ids of touches and questions, ascending as the ids do in the total order of events."""
    assert binding.touch_id is not None  # noqa: S101 - or nobody could have named a touch
    name, of = binding.touch_id
    both = pa.chunked_array([*touches.column(name).chunks, named.cast(of.arrow())], of.arrow())
    return row_ranks(pa.table({name: both}), Schema({name: of}))


def _credits(binding: LabelBinding, touches: _Touches, entity: Array, time: Array) -> _Credits:
    """The events of each touch, by the label's rule.

    Args:
        binding: The label.
        touches: The touches that compete.
        entity: The events' entities, ascending.
        time: Their instants, ascending within an entity.
    """
    within = int(binding.label.within)
    everything = np.arange(len(entity))
    if binding.label.attribution == "every_touch":
        lo = _before(entity, time, touches.entity, touches.time)
        return _Credits(everything, lo, _before(entity, time, touches.entity, touches.time + within))
    if binding.label.attribution == "last_touch":
        place = _before(touches.entity, touches.time, entity, time + 1) - 1
    else:
        place = _before(touches.entity, touches.time, entity, time - within + 1)
    there = np.clip(place, 0, max(len(touches.time) - 1, 0))
    credit = np.full(len(entity), -1, dtype=np.int64)
    if len(touches.time):
        same = (place == there) & (touches.entity[there] == entity)
        near = (touches.time[there] <= time) & (time < touches.time[there] + within)
        credit = np.where(same & near, place, -1)
    at = sorted_places(credit)
    ends = np.searchsorted(credit[at], np.arange(len(touches.time) + 1))
    return _Credits(everything[at], ends[:-1], ends[1:])


def _before(entity: Array, time: Array, of: Array, at: Array) -> Array:
    """How many rows lie before each (of, at).

    Args:
        entity: Ascending numbers of rows.
        time: Their instants, ascending within an entity.
        of: Numbers asked about, in any order.
        at: Instants asked about.
    """
    # Sorted together, those asked first among equals; packing both keys in one word could overflow.
    by = by_keys(np.concatenate([of, entity]), np.concatenate([at, time]))
    rows = np.cumsum(by >= len(of))
    found = np.empty(len(by), dtype=np.int64)
    found[by] = rows
    return found[: len(of)]


def _values(binding: LabelBinding, table: pa.Table, time: Array, credited: _Credits) -> pa.Array:
    """The label of each touch."""
    lengths = credited.hi - credited.lo
    if binding.total is None or binding.events.value is None:
        return pa.array(lengths if binding.label.count else (lengths > 0).astype(np.int64))
    name, of = binding.events.value
    at = credited.at
    column, present = column_values(table.column(name).take(pa.array(at)), of)
    (measure,) = binding.total.measures({name: of}, {})
    states: States = measure.algebra.lift(Events(len(at), present, (column,), time[at]))
    merged = RangeIndex(measure.algebra, states).over(Ranges(credited.lo, credited.hi))
    t = np.zeros(len(lengths), dtype=np.int64)  # a sum does not look at the instant
    (finished,) = binding.total.finish((merged,), t, {name: of}, (measure.algebra,))
    return Stack(finished, binding.type, lengths).values


def _asked(values: pa.Array, of: Array) -> ArrowColumn:
    """What touches have, for those who ask about them; null for those who ask about none."""
    nobody = of < 0
    found = values.take(pa.array(of, mask=nobody))
    status = np.full(len(of), NOT_FOUND, dtype=np.uint8)
    status[~nobody] = PRESENT
    return ArrowColumn(found, status, np.full(len(of), FOREVER_AGO))
