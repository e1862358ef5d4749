"""Messages of a stream as raw rows: texts, as a JSON Lines file has them.

The same bytes come to the same values in a file and in a stream: both are taken apart by DuckDB. Messages of
other forms are made JSON before.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from headrace.intake.framing import UnreadableError
from headrace.intake.locked import Query
from headrace.intake.message_forms import reader_of
from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa
from headrace.schema import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.message_form import MessageForm
    from headrace.schema import Schema

__all__ = ["LARGEST", "Decoded", "MessageDecoder", "Unreadable"]

LARGEST = 1 << 20
"""Bytes of the largest message that is taken."""
_SHOWN = 4_096
"""Bytes of an unreadable message that quarantine keeps."""


class Unreadable(NamedTuple):
    """A message that is no row.

    Attributes:
        message: Its place among the messages.
        text: The message; of one that can be no row, what it begins with.
        rule: What it breaks.
        reason: Why, in words.
    """

    message: int
    text: str
    rule: str
    reason: str


class Decoded(NamedTuple):
    """Messages, taken apart.

    Attributes:
        rows: The readable ones: a column of texts for each of the schema's columns.
        message: The place of each row among the messages, int64 ascending.
        unreadable: The others.
    """

    rows: pa.Table
    message: Array
    unreadable: Sequence[Unreadable]


class MessageDecoder:
    """Takes messages of one source apart; threads may share it."""

    def __init__(self, schema: Schema, form: MessageForm | None = None) -> None:
        """For the columns of a frozen schema; what else a message has is left aside.

        Args:
            schema: The columns.
            form: What messages are, if not JSON; its driver is asked for when the first comes.
        """
        self._schema = schema
        self._form = form
        structure = json.dumps(dict.fromkeys(schema, "VARCHAR")).replace("'", "''")
        parsed = f"from_json(text, '{structure}')"
        columns = Type("struct", items=(Type("string"),) * len(schema), names=tuple(schema))
        texts = pa.schema([("text", pa.string())])
        self._no_rows = pa.schema([(name, pa.string()) for name in schema]).empty_table()
        self._whole = Query([(parsed, columns)], texts)
        self._guarded = Query([(f"CASE WHEN json_valid(text) THEN {parsed} END", columns)], texts)

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Take messages apart.

        Args:
            values: The messages; None is one without content.

        Raises:
            StoreError: The driver of their form is not installed.
        """
        unreadable: list[Unreadable] = []
        message = np.arange(len(values))
        texts = _texts(values) if self._form is None else None
        if texts is None:
            read, unreadable = self._one_by_one(values)
            message = np.delete(message, [each.message for each in unreadable])
            texts = pa.array(read, pa.binary()).cast(pa.string())
        rows, bad = self._objects(texts)
        unreadable += [
            Unreadable(int(message[place]), _begin(texts[place].as_py().encode()), *self._fault(texts, place))
            for place in np.flatnonzero(bad).tolist()
        ]
        if bad.any():
            rows, message = rows.filter(pa.array(~bad)), message[~bad]
        return Decoded(rows, message, unreadable)

    def refused(self, values: Sequence[bytes | None], reason: str) -> Decoded:
        """Messages that are not looked into: none is a row, and each is kept whole."""
        unreadable = [
            Unreadable(place, (value or b"").decode(errors="backslashreplace"), "failed", reason)
            for place, value in enumerate(values)
        ]
        return Decoded(self._no_rows, np.arange(0), unreadable)

    def _one_by_one(self, values: Sequence[bytes | None]) -> tuple[list[bytes], list[Unreadable]]:
        """The messages that can be looked into, as JSON, and the others."""
        read, found, unreadable = self._reader, [], []
        for place, value in enumerate(values):
            try:
                found.append(read(_checked(value)))
            except UnreadableError as error:
                unreadable.append(Unreadable(place, _begin(value or b""), "malformed", str(error)))
        return found, unreadable

    @cached_property
    def _reader(self) -> Callable[[bytes], bytes]:
        return _read_json if self._form is None else reader_of(self._form, self._schema)[0]

    def _objects(self, texts: pa.Array) -> tuple[pa.Table, Array]:
        """The columns of the objects, and which texts are none."""
        import duckdb

        table = pa.table({"text": texts})
        try:
            (found,) = self._whole.run(table)
        except duckdb.Error:  # one is no JSON: look before each
            (found,) = self._guarded.run(table)
        columns = found.flatten()
        nothing = np.ones(len(texts), dtype=bool)
        for column in columns:
            nothing &= column.is_null().to_numpy(zero_copy_only=False)
        return pa.table(columns, names=list(self._schema)), nothing

    def _fault(self, texts: pa.Array, place: int) -> tuple[str, str]:
        """What is wrong with a text that has come to nothing."""
        try:
            value = json.loads(texts[place].as_py())
        except ValueError as error:
            return "malformed", f"no JSON: {error}"
        except RecursionError:
            return "malformed", "no JSON: nested too deeply"
        if not isinstance(value, dict):
            return "malformed", "no JSON object"
        return "no_time", "it has none of the source's columns"


def _texts(values: Sequence[bytes | None]) -> pa.StringArray | None:
    """All messages as texts; None if one of them is unfit."""
    found = pa.array(values, pa.binary())
    lengths = pc.min_max(pc.binary_length(found)).as_py()
    if found.null_count or not lengths["min"] or lengths["max"] > LARGEST:
        return None
    try:
        return found.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def _checked(value: bytes | None) -> bytes:
    """A message that may be looked into.

    Raises:
        UnreadableError: It is empty, or too large.
    """
    if not value:
        raise UnreadableError("an empty message")
    if len(value) > LARGEST:
        raise UnreadableError(f"it has {len(value):,} bytes; {LARGEST:,} are the most")
    return value


def _read_json(value: bytes) -> bytes:
    try:
        value.decode()
    except UnicodeError:
        raise UnreadableError("no UTF-8") from None
    return value


def _begin(value: bytes) -> str:
    return value[:_SHOWN].decode(errors="backslashreplace")
