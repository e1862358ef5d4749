"""Rows as they cross a shuffle: columns of types that every Spark hands over unchanged.

Instants are int64 microseconds UTC, dates int32 days: no session's zone can move them. Columns are numbered,
so that no name of a source's can be one of Spark's or differ from another in case only.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.entities import key_column
from headrace.schema import INT64

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.aggregations.states import Array
    from headrace.schema import Schema, Type

__all__ = [
    "EVENT",
    "FACTS",
    "NOBODY",
    "OUTPUT",
    "QUESTION",
    "Crossing",
    "Work",
    "entity_keys",
    "output",
    "packed",
    "unpacked",
]

QUESTION, EVENT, FACTS = range(3)
"""The kinds of rows. A question comes before an event of its instant, for an event counts iff `known < t`."""

NOBODY = b"\xff"
"""The entity of questions without a whole key, and of facts; no key begins with this byte."""

OUTPUT = "kind int, data binary"
"""What leaves the last worker: Arrow's own bytes, which Spark does not look into."""

_HEAD = {"entity": "binary", "at": "bigint", "kind": "int", "place": "bigint", "data": "binary"}
_PLAIN = {"int64": "bigint", "timestamp": "bigint", "date": "int", "double": "double", "bool": "boolean",
          "string": "string", "binary": "binary"}  # fmt: skip


class Work(Protocol):
    """What a worker does with the batches of a partition."""

    def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take them in, one after another, and give others."""
        ...


class Crossing:
    """The columns that cross, for one question about one view."""

    def __init__(self, columns: Mapping[str, Type], *, copies: bool = False) -> None:
        """Number the columns.

        Args:
            columns: The events' columns that somebody reads on the other side.
            copies: Whether events carry what tells copies of one another.
        """
        self.types: Mapping[str, Type] = {TIME: INT64, KNOWN: INT64, **columns}
        """The columns that are read again."""
        self.copies = copies
        self._names = {name: f"c{place}" for place, name in enumerate(self.types)}
        head = {**_HEAD, "copy": "binary"} if copies else _HEAD
        body = {self._names[name]: _spark(of) for name, of in self.types.items()}
        self.ddl = ", ".join(f"{name} {of}" for name, of in (head | body).items())
        """The schema of the rows, as Spark writes it."""
        arrow = {"binary": pa.binary(), "bigint": pa.int64(), "int": pa.int32()}
        self._head = {name: arrow[of] for name, of in head.items()}
        self._schema = pa.schema(
            [*self._head.items(), *((self._names[name], _arrow(of)) for name, of in self.types.items())]
        )

    def pack(
        self, events: pa.Table, entity: pa.Array, delay: int, copy: pa.Array | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Events on their way.

        Args:
            events: n clean events.
            entity: Their entities' keys.
            delay: Microseconds after its known instant at which an event counts.
            copy: What tells the copies of an event, where somebody asks.
        """
        n = events.num_rows
        known: Array = events.column(KNOWN).to_numpy()
        head = {
            "entity": entity,
            "at": pa.array(known + delay),
            "kind": pa.array(np.full(n, EVENT, np.int32)),
        }
        if copy is not None:
            head["copy"] = copy
        columns = [head.get(name, pa.nulls(n, of)) for name, of in self._head.items()]
        columns += [events.column(name).cast(_arrow(of)) for name, of in self.types.items()]
        yield from pa.table(columns, schema=self._schema).to_batches()

    def facts(self, data: bytes) -> pa.RecordBatch:
        """One row that says something about the others."""
        said = {"entity": NOBODY, "at": 0, "kind": FACTS, "data": data}
        return pa.RecordBatch.from_pylist([said], schema=self._schema)

    def questions(self, keys: pa.Table, of: Schema, t: Array) -> pa.Table:
        """The questions on their way, without the columns that only events have."""
        n = keys.num_rows
        return pa.table(
            {
                "entity": pc.fill_null(entity_keys(keys, of), NOBODY),
                "at": pa.array(t, pa.int64()),
                "kind": pa.array(np.full(n, QUESTION, np.int32)),
                "place": pa.array(np.arange(n, dtype=np.int64)),
            }
        )

    @staticmethod
    def questions_ddl() -> str:
        """The schema of the questions."""
        return ", ".join(f"{name} {_HEAD[name]}" for name in ("entity", "at", "kind", "place"))

    def events(self, rows: pa.Table) -> pa.Table:
        """The events among some rows, in their own types again."""
        return pa.table(
            {name: rows.column(self._names[name]).cast(of.arrow()) for name, of in self.types.items()}
        )


def entity_keys(rows: pa.Table, keys: Schema) -> pa.Array:
    """Each row's encoded key; null where a part of it is null."""
    return key_column(rows, keys).cast(pa.binary())


def output(kind: int, data: bytes) -> pa.RecordBatch:
    """One row of `OUTPUT`."""
    columns = [pa.array([kind], pa.int32()), pa.array([data], pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["kind", "data"])


def packed(rows: pa.Table) -> bytes:
    """Rows as Arrow's own bytes."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)
    return sink.getvalue()


def unpacked(data: bytes) -> pa.Table:
    """The rows again."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def _spark(of: Type) -> str:
    if of.name == "decimal":
        return f"decimal({of.precision},{of.scale})"
    return f"array<{_spark(of.items[0])}>" if of.name == "list" else _PLAIN[of.name]


def _arrow(of: Type) -> pa.DataType:
    """The Arrow type in which values cross."""
    if of.name == "list":
        return pa.list_(_arrow(of.items[0]))
    return {"timestamp": pa.int64(), "date": pa.int32()}.get(of.name) or of.arrow()
