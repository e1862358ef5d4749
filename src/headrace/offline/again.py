"""Some rows of a training set, made again of fewer events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.clean import KNOWN
from headrace.kernel.entities import Numbers
from headrace.offline.historical import historical
from headrace.offline.inputs import Inputs
from headrace.tables import without_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding
    from headrace.offline.dataset import HistoricalFeatures
    from headrace.offline.historical import Making
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["Again"]

_CLOSE = 1e-9
_NEVER = np.iinfo(np.int64).min


def _silent(what: str, share: float) -> None:
    """Nobody watches."""


class Again:
    """Rows of a training set, and the events of their entities."""

    def __init__(self, dataset: HistoricalFeatures, plan: RetrievalPlan, made: Making, chosen: Array) -> None:
        """Read the events.

        Args:
            dataset: The training set.
            plan: Its features.
            made: What computes.
            chosen: Places of the rows, ascending.

        Raises:
            DataError: A source cannot be read.
        """
        mask = np.zeros(len(dataset), dtype=bool)
        mask[chosen] = True
        self._plan, self._made = plan, made
        self._spine = dataset.origin.spine.kept(mask)
        self._table = without_views(dataset.to_arrow()).filter(pa.array(mask))
        self._views = [self._events(each.binding) for each in plan.views] if len(chosen) else []

    def __len__(self) -> int:
        """How many rows."""
        return len(self._spine)

    def changed(self, columns: Mapping[str, str]) -> dict[str, int]:
        """In how many rows each feature changes, where it does in any, without the events not known at `t`.

        Args:
            columns: Source -> a column of instants; its rows have to be before `t` by that column too.
        """
        counts: dict[str, int] = {}
        for places in self._rounds():
            mask = np.zeros(len(self), dtype=bool)
            mask[places] = True
            views = tuple(
                replace(each, binding=view.only(places, self._spine.t, columns.get(view.binding.source.name)))
                for each, view in zip(self._plan.views, self._views, strict=True)
            )
            table = self._table.filter(pa.array(mask))
            inputs = Inputs({"": {}}, [""] * len(views))  # nobody asks what is read
            plan = replace(self._plan, views=views)
            found = historical(plan, self._spine.kept(mask), self._made, _silent, inputs).table
            for name in (member.output for member in plan.members):
                pairs = zip(table[name].to_pylist(), found[name].to_pylist(), strict=True)
                counts[name] = counts.get(name, 0) + sum(not _same(*pair) for pair in pairs)
        return {name: count for name, count in counts.items() if count}

    def _events(self, binding: Binding) -> _Events:
        numbers = Numbers(self._spine.keys(binding.keys), binding.keys)
        parts = self._made.engine.parts(binding, int(self._spine.t.max()))
        events = pa.concat_tables(
            [part.events.filter(pa.array(numbers.of(part.events) >= 0)) for part in parts]
        )
        return _Events(binding, events, numbers.of(events), numbers.asked)

    def _rounds(self) -> Iterator[Array]:
        """Places of rows, no entity twice among those of one round: each has its own instant."""
        waiting = np.arange(len(self))
        while len(waiting):
            now = np.ones(len(waiting), dtype=bool)
            for view in self._views:
                first = np.zeros(len(waiting), dtype=bool)
                first[np.unique(view.asked[waiting], return_index=True)[1]] = True
                now &= first
            yield waiting[now]  # at least one: the first of all is the first of its entity in every view
            waiting = waiting[~now]


class _Events(NamedTuple):
    """The events of a view's entities among some rows.

    Attributes:
        binding: The view.
        table: Clean events.
        entity: Their entities' numbers.
        asked: The rows' entities' numbers.
    """

    binding: Binding
    table: pa.Table
    entity: Array
    asked: Array

    def only(self, places: Array, t: Array, column: str | None) -> Binding:
        """The view over the events of some rows' entities that were known, and by a column, before `t`."""
        limit = np.full(int(max(self.asked.max(), self.entity.max(initial=0))) + 1, _NEVER)
        limit[self.asked[places]] = t[places]
        until = limit[self.entity]
        keep = self.table[KNOWN].to_numpy() < until
        if column is not None:
            at = pc.fill_null(self.table[column].cast(pa.int64()), _NEVER).to_numpy()
            keep &= (at < until) | (at == _NEVER)
        rows = self.table.filter(pa.array(keep)).select(list(self.binding.schema))
        return replace(self.binding, source=replace(self.binding.source, batch=rows))


def _same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of doubles."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= _CLOSE * max(1.0, abs(one), abs(other))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
