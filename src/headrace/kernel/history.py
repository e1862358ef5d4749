"""The whole-column form of the kernel: all events and all questions at once.

Entities do not know of each other, so events and questions are cut between entities into parts of about equal
size that fit the caches; each part is sorted, lifted and answered by itself, on as many threads as there are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import ArrowColumn, Column
from headrace.kernel.events import rows_of_events
from headrace.kernel.point_in_time import features_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import AggregateBinding
    from headrace.kernel.plan import ViewPlan

__all__ = ["History", "history", "join_columns"]

PART = 1 << 18
"""About how many events make a part: its columns stay in the processor's caches."""


class History(NamedTuple):
    """Events and questions about their entities.

    Attributes:
        events: Clean events, the view's expressions evaluated.
        entity: The events' entity codes, dense from 0.
        asked: The questions' entity codes; those without events may lie beyond.
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
) -> dict[str, Column]:
    """The plan's features for every question, in the questions' order.

    Args:
        binding: The view.
        plan: Its plan, or a part of it.
        of: Events and questions.
        threads: How many parts are worked on at once.
        part: About how many events make a part.
        progress: Hears the share done, 0 to 1.
    """
    events = of.events.combine_chunks()
    number = _parts(of.entity, of.asked, part)
    event_order, event_ends = _grouped(number, of.entity)
    query_order, query_ends = _grouped(number, of.asked)
    parts = int(number.max()) + 1 if len(number) else 1

    def work(part: int) -> dict[str, Column]:
        mine = event_order[event_ends[part] : event_ends[part + 1]]
        asked = query_order[query_ends[part] : query_ends[part + 1]]
        own = events if parts == 1 else events.take(pa.array(mine))
        rows = rows_of_events(
            plan,
            own,
            of.entity[mine],
            binding.schema,
            binding.event_id,
            serving_delay=of.serving_delay,
        )
        return features_at(plan, rows, of.asked[asked], of.t[asked])

    done: list[dict[str, Column]] = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for answer in pool.map(work, range(parts)):
            done.append(answer)
            progress(len(done) / parts)
    return join_columns(done, query_order)


def join_columns(parts: Sequence[dict[str, Column]], order: Array) -> dict[str, Column]:
    """The columns of several parts as one.

    Args:
        parts: Columns of the same names.
        order: The place in the whole of each row, part after part.
    """
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return {name: _joined([part[name] for part in parts], back) for name in parts[0]}


def _parts(entity: Array, asked: Array, size: int) -> Array:
    """The part of each entity code: ascending, about `size` events and questions each."""
    entities = max(int(codes.max()) + 1 if len(codes) else 0 for codes in (entity, asked))
    weight = np.bincount(entity, minlength=entities) + np.bincount(asked, minlength=entities)
    before = np.cumsum(weight) - weight
    _, part = np.unique(before // size, return_inverse=True)
    return part


def _grouped(number: Array, entity: Array) -> tuple[Array, Array]:
    """Rows by part, and where each part ends."""
    if not len(number):
        return np.arange(len(entity)), np.array([0, len(entity)])
    part = number[entity]
    parts = int(number.max()) + 1
    ends = np.zeros(parts + 1, dtype=np.int64)
    np.cumsum(np.bincount(part, minlength=parts), out=ends[1:])
    # Sorting 16-bit keys is a radix sort: one pass over the rows.
    small = part.astype(np.uint16) if parts <= np.iinfo(np.uint16).max else part
    return np.argsort(small, kind="stable"), ends


def _joined(parts: Sequence[Column], back: Array) -> Column:
    """The parts' values one after another, brought into the questions' order."""
    if len(parts) == 1 and bool((back[1:] > back[:-1]).all()):
        return parts[0]
    values = pa.chunked_array([part.values for part in parts]).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    return ArrowColumn(
        values.take(pa.array(back)),
        np.concatenate([part.status for part in parts])[back],
        np.concatenate([part.newest for part in parts])[back],
        next((part.reason for part in parts if part.reason), ""),
    )
