"""The rows of the served log: all that is needed to compute an answer again, and to compare it.

A row is one entity in one answer. Columns of features are named by their whole reference, `view@1:feature`,
which has one type for ever; so files of different requests go together, and a column that is null and has no
status was not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, STATUS_NAMES, reason_of
from headrace.keys import decode_key
from headrace.online.arrow_stream import STATUS
from headrace.online.read import SEGMENT
from headrace.online.record import frontier_of, offset_of
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Told
    from headrace.online.answer import OnlineFeatures
    from headrace.online.read import Looked, Read
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["AGE", "COMMON", "ENTITY", "REASONS", "REQUEST", "Answered", "RowForm", "SavedRows"]

ENTITY, REQUEST = "entity:", "request:"
"""What the names of columns begin with that hold join keys, and fields of the request."""
AGE = "__age"
"""What the name of a feature's age ends in."""
REASONS = "reasons"
"""The column of why values are INVALID, by feature; null where none is."""

_INSTANT = pa.timestamp("us", tz="UTC")

_FEW = 16

COMMON = pa.schema(
    [
        ("request_id", pa.string()),
        ("served_at", _INSTANT),
        ("t", _INSTANT),
        ("service", pa.string()),
        ("registry", pa.int64()),
        ("arm", pa.string()),
    ]
)
"""The columns that every row has."""

_STATE = pa.struct(
    [
        ("known", _INSTANT),
        ("generation", pa.int64()),
        ("stream", pa.int64()),
        ("frontier", _INSTANT),
        ("loaded_at", _INSTANT),
        ("states", pa.string()),
        ("segments", pa.int32()),
        ("positions", pa.map_(pa.int32(), pa.int64())),
    ]
)
"""What a view's answer was made of: the generation and its K, how many of its segments have a record of the
entity, and of each partition of the stream the last offset that the entity's records have applied."""


class Answered(NamedTuple):
    """An answer some of whose entities are logged; it only refers to what answering has made.

    Attributes:
        form: What its rows are like.
        rows: The places of the entities that are logged.
        now: The clock when it was asked for, microseconds UTC.
        keys: The encoded keys of all its entities, by the names of the join keys.
        answer: The answer.
        read: What it was made of.
        request: Request field -> a value for each entity; empty where no function reads any.
    """

    form: RowForm
    rows: Sequence[int]
    now: int
    keys: Mapping[tuple[str, ...], Sequence[bytes | None]]
    answer: OnlineFeatures
    read: Read
    request: Mapping[str, Sequence[Any]]


class RowForm:
    """What is logged of the answers for one list of features.

    Attributes:
        schema: The columns.
    """

    def __init__(self, plan: RetrievalPlan, service: str | None, registry: int) -> None:
        """For a plan.

        Args:
            plan: What is asked for.
            service: The service that names it, `name@version`; None for a list of features.
            registry: The registry's counter.
        """
        self._service = service
        self._registry = registry
        keys = [tuple(each.binding.keys) for each in plan.views]
        self._keys = [next((n, n.index(name)) for n in keys if name in n) for name in plan.keys]
        self._request = list(plan.request)
        self._views = range(len(plan.views))
        self._outputs = [each.output for each in plan.members]
        fields = [pa.field(ENTITY + name, of.arrow()) for name, of in plan.keys.items()]
        fields += [pa.field(REQUEST + name, of.arrow()) for name, of in plan.request.items()]
        fields += [pa.field(each.binding.id, _STATE) for each in plan.views]
        for each in plan.members:
            name = str(each.reference)
            fields += [
                pa.field(name, each.type.arrow()),
                pa.field(name + STATUS, pa.string()),
                pa.field(name + AGE, pa.int64()),
            ]
        self._references = {each.output: str(each.reference) for each in plan.members}
        fields.append(pa.field(REASONS, pa.map_(pa.string(), pa.string())))
        self.schema = pa.schema([*COMMON, *fields])

    def of(self, answered: Answered, request_id: str) -> list[Sequence[Any]]:
        """The rows of an answer: for each column its values, as Arrow takes them."""
        rows = answered.rows
        n, t = len(rows), answered.answer.t
        columns: list[Sequence[Any]] = [
            [request_id] * n,
            [answered.now] * n,
            [t] * n,
            [self._service] * n,
            [self._registry] * n,
            [None] * n,
        ]
        for names, place in self._keys:
            keys = answered.keys[names]
            columns.append([None if (key := keys[row]) is None else decode_key(key)[place] for row in rows])
        columns += [[answered.request[name][row] for row in rows] for name in self._request]
        columns += [self._state(answered.read, view, rows) for view in self._views]
        told = answered.answer.columns.told()
        columns += _features(told, self._outputs, rows, t)
        return [*columns, self._reasons(answered.answer, told, rows)]

    def _reasons(
        self, answer: OnlineFeatures, told: Mapping[str, Told], rows: Sequence[int]
    ) -> list[list[tuple[str, str]] | None]:
        """Why values are INVALID, for each row."""
        found: list[list[tuple[str, str]] | None] = [None] * len(rows)
        whole: Array | None = None
        for output, reference in self._references.items():
            status = told[output][1]
            if status is whole:
                continue
            spoiled = [place for place, row in enumerate(rows) if status[row] == INVALID]
            if not spoiled:
                whole = status  # most often all of a view share it
            for place in spoiled:
                reason = reference, reason_of(answer.columns[output], rows[place])
                found[place] = [*(found[place] or ()), reason]
        return found

    @staticmethod
    def _state(read: Read, view: int, rows: Sequence[int]) -> Sequence[dict[str, Any] | None]:
        """What the values of one view were made of; null where the store has not told in time."""
        if not read.found:
            return [None] * len(rows)
        loaded, stream, found = read.loaded[view], read.streams[view], read.found[view]
        of_all = {
            "known": None if loaded.known == FOREVER_AGO else loaded.known,
            "generation": None if loaded.generation < 0 else loaded.generation,
            "stream": stream.number if stream.epochs else None,
            "loaded_at": loaded.loaded_at if loaded.generation >= 0 else None,
            "states": found.states.fingerprint,
        }
        return [{**of_all, **_of_records(found.looked, row)} for row in rows]


def _of_records(looked: Looked, row: int) -> dict[str, Any]:
    """What one entity's records say of themselves."""
    frontier, segments = FOREVER_AGO, 0
    positions: dict[int, int] = {}
    for origin, data in looked.of(row):
        if origin == SEGMENT:
            segments += 1
        else:
            frontier = max(frontier, frontier_of(data))
            positions[origin] = max(offset_of(data), positions.get(origin, -1))
    return {
        "frontier": None if frontier == FOREVER_AGO else frontier,
        "segments": segments,
        "positions": list(positions.items()),
    }


def _features(
    told: Mapping[str, Told], names: Sequence[str], rows: Sequence[int], t: int
) -> list[Sequence[Any]]:
    """Values, statuses and ages of features; most often all of a view share the latter two."""
    columns: list[Sequence[Any]] = []
    status: Array | None = None
    newest: Array | None = None
    statuses: list[str] = []
    ages: list[int | None] = []
    for name in names:
        values, own, times, _ = told[name]
        if own is not status:
            status, statuses = own, [STATUS_NAMES[code] for code in _picked(own, rows)]
        if times is not newest:
            newest, ages = times, [None if at == FOREVER_AGO else t - at for at in _picked(times, rows)]
        columns += [[values[row] for row in rows], statuses, ages]
    return columns


def _picked(values: Array, rows: Sequence[int]) -> list[int]:
    """The values of some rows; of few one by one, which is faster."""
    if len(rows) > _FEW:
        found: list[int] = np.asarray(values)[rows].tolist()
        return found
    return [values.item(row) for row in rows]


class SavedRows:
    """Rows of one form, collected until they are written."""

    def __init__(self, form: RowForm) -> None:
        """None yet."""
        self._form = form
        self._columns: list[list[Any]] = [[] for _ in form.schema]

    def __len__(self) -> int:
        """How many rows."""
        return len(self._columns[0])

    def add(self, answered: Answered, request_id: str) -> None:
        """Add the rows of an answer of this form, all or, on an error, none."""
        for column, more in zip(self._columns, self._form.of(answered, request_id), strict=True):
            column.extend(more)

    def table(self) -> pa.Table:
        """The rows; made column by column, so that other threads run in between."""
        fields = self._form.schema
        return pa.table(
            [pa.array(column, field.type) for column, field in zip(self._columns, fields, strict=True)],
            schema=fields,
        )
