"""The whole-column form of the kernel: all events and all questions at once, part by part.

A part's columns fit the processor's caches; it is sorted, lifted and answered by itself, on as many threads
as there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from headrace.kernel.events import rows_of_events
from headrace.kernel.parts import Part, Parts, numbered
from headrace.kernel.point_in_time import features_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import AggregateBinding
    from headrace.kernel.columns import Column
    from headrace.kernel.plan import ViewPlan
    from headrace.kernel.rows import Rows

__all__ = ["PART", "History", "features_of", "history"]

PART = 1 << 18
"""About how many events make a part: its columns stay in the processor's caches."""


class History(NamedTuple):
    """Events and questions about their entities.

    Attributes:
        events: Clean events, the view's expressions evaluated.
        entity: The events' entity numbers.
        asked: The questions' entity numbers; those without events may lie beyond.
        t: The questions' instants.
        serving_delay: Microseconds by which serving lags behind `known`.
    """

    events: pa.Table
    entity: Array
    asked: Array
    t: Array
    serving_delay: int = 0


def history(
    binding: AggregateBinding,
    plan: ViewPlan,
    of: History,
    threads: int = 1,
    part: int = PART,
    progress: Callable[[float], None] = lambda _: None,
) -> Mapping[str, Column]:
    """The plan's features for every question, in the questions' order.

    Args:
        binding: The view.
        plan: Its plan, or a part of it.
        of: Events and questions.
        threads: How many parts are worked on at once.
        part: About how many events make a part.
        progress: Hears the share done, 0 to 1.
    """
    parts = Parts([numbered(of.events, of.entity)], of.asked, part)
    return parts.answers(
        lambda each: features_of(binding, plan, each, of.asked, of.t, of.serving_delay), threads, progress
    )


def features_of(
    binding: AggregateBinding, plan: ViewPlan, part: Part, asked: Array, t: Array, serving_delay: int
) -> Mapping[str, Column]:
    """The features of a part's questions.

    Args:
        binding: The view.
        plan: Its plan, or a part of it.
        part: Events and the places of the questions.
        asked: The entity numbers of all questions.
        t: Their instants.
        serving_delay: See `History`.
    """
    rows = _rows(binding, plan, part, serving_delay)
    if len(rows) > 4 * PART:
        pa.default_memory_pool().release_unused()  # one great entity's events leave much behind
    return features_at(plan, rows, asked[part.questions], t[part.questions])


def _rows(binding: AggregateBinding, plan: ViewPlan, part: Part, serving_delay: int) -> Rows:
    """A part's events, lifted; the events themselves are not needed any longer then."""
    events, entity = part.read()
    schema = binding.order_schema
    return rows_of_events(plan, events, entity, schema, binding.event_id, serving_delay=serving_delay)
