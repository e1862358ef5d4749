"""Which events of a test count for a feature, and why the others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.clock import format_instant
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.clean import KNOWN, TIME, condition_column
from headrace.kernel.duplicates import first_copies
from headrace.kernel.plan import PRESENCE
from headrace.reading.source import read
from headrace.schema import INT64, Schema
from headrace.testing.feature_tests.outcome import Counted
from headrace.windows import edges, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.kernel.binding import Binding
    from headrace.kernel.plan import FeaturePlan

__all__ = ["Log"]

_NUMBER = "__number"
"""A column that tells clean events which row they were."""


class _Event(NamedTuple):
    """A clean event.

    Attributes:
        number: Its place in the log.
        cells: Its columns, expressions evaluated.
        is_copy: Whether another copy of it counts.
    """

    number: int
    cells: Mapping[str, Any]
    is_copy: bool


class Log:
    """The events of one source in a test, as one view sees them."""

    def __init__(self, binding: Binding, rows: Sequence[Mapping[str, Any]]) -> None:
        """Clean the events.

        Args:
            binding: The view; the batch of its source holds the rows.
            rows: The events as they were written.
        """
        self._binding = binding
        self._rows = rows
        self._spoiled: dict[int, str] = {}
        batch = binding.source.batch
        numbered = batch.append_column(_NUMBER, pa.array(range(len(rows)), pa.int64()))
        self._events = self._cleaned(numbered)

    def _cleaned(self, batch: pa.Table) -> list[_Event]:
        import dataclasses

        binding = self._binding

        def note(rejected: pa.Table) -> None:
            for each in rejected.select(["ordinal", "reason"]).to_pylist():
                self._spoiled.setdefault(each["ordinal"], each["reason"])

        reading = read(
            dataclasses.replace(binding.source, schema=None, batch=batch),
            Schema({**binding.schema, _NUMBER: INT64}),
            expressions=binding.expressions,
            keys=tuple(binding.keys),
            zone=binding.zone,
            on_rejected=note,
        )
        events = reading.whole()
        copies = self._copies(events)
        return [
            _Event(cells[_NUMBER], cells, is_copy)
            for cells, is_copy in zip(events.to_pylist(), copies, strict=True)
        ]

    def _copies(self, events: pa.Table) -> list[bool]:
        """Which events are copies of others that count."""
        binding = self._binding
        if binding.event_id is None:
            return [False] * events.num_rows
        codes: dict[Any, int] = {}
        keys = zip(*(events.column(name).to_pylist() for name in binding.keys), strict=True)
        numbers = [codes.setdefault(key, len(codes)) for key in keys] or [0] * events.num_rows
        entity = np.array(numbers, dtype=np.int64)
        time, known = (events.column(name).to_numpy() for name in (TIME, KNOWN))
        counts = first_copies(entity, time, known, events, binding.schema, binding.event_id)
        return [False] * events.num_rows if counts is None else (~counts).tolist()

    def known_between(self, begin: int, end: int) -> set[int]:
        """The places of the events with `begin <= known < end`."""
        return {each.number for each in self._events if begin <= each.cells[KNOWN] < end}

    def counted(self, feature: str, entity: Mapping[str, Any], t: int) -> list[Counted]:
        """Every event and whether it counts for a feature of an entity at an instant."""
        return self.judged(entity, lambda cells: self._why(cells, feature, entity, t))

    def judged(
        self, entity: Mapping[str, Any], why: Callable[[Mapping[str, Any]], tuple[bool, str]]
    ) -> list[Counted]:
        """Every event and whether it counts.

        Args:
            entity: Whose events may count.
            why: Judges the columns of a clean event of the entity, no copy of another.
        """
        clean = {each.number: each for each in self._events}
        found = []
        for number, row in enumerate(self._rows):
            event = clean.get(number)
            if event is None:
                verdict = False, f"left out: {self._spoiled.get(number, 'it cannot be used')}"
            elif other := [name for name in self._binding.keys if event.cells[name] != entity[name]]:
                verdict = False, f"another {', '.join(other)}"
            elif event.is_copy:
                verdict = False, f"another copy of this {self._binding.event_id} counts"
            else:
                verdict = why(event.cells)
            found.append(Counted(self._binding.source.name, number + 1, row, *verdict))
        return found

    def _why(
        self, cells: Mapping[str, Any], feature: str, entity: Mapping[str, Any], t: int
    ) -> tuple[bool, str]:
        binding, known = self._binding, cells[KNOWN]
        if known + binding.serving_delay >= t:
            late = f" and served {format_instant(known + binding.serving_delay)}" * bool(
                binding.serving_delay
            )
            return False, f"known {format_instant(known)}{late}, not before the instant"
        if isinstance(binding, LatestBinding):
            return self._latest(binding, cells[TIME], entity, t)
        assert isinstance(binding, AggregateBinding)  # the two kinds there are
        (plan,) = [each for each in binding.plan.features if feature in each.names]
        return self._windowed(binding, plan, cells, t)

    def _windowed(
        self, binding: AggregateBinding, plan: FeaturePlan, cells: Mapping[str, Any], t: int
    ) -> tuple[bool, str]:
        time = cells[TIME]
        spans = [edges(part, t, binding.zone) for part in parts(plan.window)]
        if not any(begin <= time and (end is None or time < end) for begin, end in spans):
            first = min(int(begin) for begin, _ in spans)
            if time < first:
                return False, f"before the window, which begins {format_instant(first)}"
            return False, "after the window's end"
        measures = [binding.plan.measures[each] for each in plan.measures]
        wheres = dict.fromkeys(each.where for each in measures if each != PRESENCE)
        true = [each for each in wheres if each is None or cells[condition_column(each)]]
        if wheres and not true:
            return False, f"not {' and not '.join(str(each) for each in wheres)}"
        return True, ", ".join(each for each in true if each) if len(wheres) > 1 else ""

    def _latest(
        self, binding: LatestBinding, time: int, entity: Mapping[str, Any], t: int
    ) -> tuple[bool, str]:
        rivals = [
            each.cells[TIME]
            for each in self._events
            if each.cells[KNOWN] + binding.serving_delay < t
            and all(each.cells[name] == entity[name] for name in binding.keys)
        ]
        if time < max(rivals):
            return False, "not the newest"
        if binding.ttl is not None and t - time > binding.ttl:
            return False, "too old for the view's ttl"
        return True, "the newest" if rivals.count(time) == 1 else "one of the newest"
