"""The locked DuckDB instance that evaluates expressions: in memory, no files, no network, settings fixed.

One instance serves the process; each connection is used by one thread at a time. Every row that is counted
passes through here, offline, in the stream and in Spark's workers, so that an expression has one meaning.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from headrace.clock import DAY
from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa
from headrace.schema import LARGEST_PRECISION

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from headrace.aggregations.states import Array
    from headrace.schema import Type

__all__ = ["Query", "connect", "decimals", "quoted", "selection"]

_FEW = 4_096

_SETTINGS = (
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL python_enable_replacements = false",
    # An expression runs on the thread that asks: batches are small, and callers bring their own threads.
    "SET GLOBAL threads = 1",
    # This rule moves what two expressions share out of their TRY, and one bad row then fails the whole batch.
    "SET GLOBAL disabled_optimizers = 'common_subexpressions'",
    "SET GLOBAL lock_configuration = true",
)

_instances: dict[int, duckdb.DuckDBPyConnection] = {}
_lock = threading.Lock()
_open: weakref.WeakSet[_Session] = weakref.WeakSet()


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of its own on this process's locked instance; its time zone is UTC."""
    process = os.getpid()  # an instance does not survive a fork
    with _lock:
        if process not in _instances:
            _instances[process] = _start()
        return _instances[process].cursor()


def _start() -> duckdb.DuckDBPyConnection:
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    instance = duckdb.connect(":memory:", config=config)
    for setting in _SETTINGS:
        instance.execute(setting)
    return instance


@atexit.register
def _close() -> None:
    """Close what this process opened; DuckDB complains on stderr about what is still open at the very end."""
    process = os.getpid()
    for session in list(_open):
        if session.process == process:
            session.connection.close()
    instance = _instances.pop(process, None)
    if instance is not None:
        instance.close()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def selection(columns: str, rows: str) -> str:
    """A SELECT of columns from a relation."""
    return f"SELECT {columns} FROM {rows}"  # noqa: S608 - checked expressions, on an instance that can do no harm


class _Rows:
    """What a statement reads as the relation `rows`: the Arrow table put here, not registered anew."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.table = schema.empty_table()

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class _Session:
    """One connection with the statement planned on it."""

    def __init__(self, sql: str, schema: pa.Schema) -> None:
        self.process = os.getpid()
        self.rows = _Rows(schema)
        self.connection = connect()
        self.connection.register("rows", self.rows)
        self.connection.execute(f"PREPARE statement AS {sql}")
        _open.add(self)

    def columns(self, sql: str, *, as_arrow: bool) -> list[Any]:
        if as_arrow:
            columns: list[Any] = self.connection.sql(sql).to_arrow_table().columns
            return columns
        found: dict[str, Any] = self.connection.execute("EXECUTE statement").fetchnumpy()
        return list(found.values())


class Query:
    """Expressions over the relation `rows`, planned once and run on many Arrow tables, by any threads."""

    def __init__(
        self, expressions: Sequence[tuple[str, Type]], schema: pa.Schema, rows: str = "rows"
    ) -> None:
        """Plan nothing yet.

        Args:
            expressions: SQL of each value and its type.
            schema: The columns of `rows`; tables must have exactly these types.
            rows: The relation the expressions read: `rows`, or a subquery over it.
        """
        self.schema = schema
        self._types = [of for _, of in expressions]
        columns = ", ".join(f"{_coded(sql, of)} AS e{place}" for place, (sql, of) in enumerate(expressions))
        self._sql = selection(columns, rows)
        self._text = any(of.is_text for of in self._types)
        self._lists = any(not of.is_scalar for of in self._types)
        self._idle: deque[_Session] = deque()

    def run(self, rows: pa.Table) -> list[pa.Array]:
        """The values of the expressions, one array each, in the order of the rows.

        Raises:
            duckdb.Error: An expression fails on a row.
        """
        session = self._take(rows)
        # NumPy costs half of Arrow on a few rows, but makes an object of every text.
        as_arrow = self._lists or (self._text and rows.num_rows > _FEW)
        try:
            columns = session.columns(self._sql, as_arrow=as_arrow)
        finally:
            session.rows.table = self.schema.empty_table()
            self._idle.append(session)
        decode = _from_arrow if as_arrow else _from_numpy
        return [decode(column, of) for column, of in zip(columns, self._types, strict=True)]

    def _take(self, rows: pa.Table) -> _Session:
        # DuckDB reads the stream's buffers by the types it planned with; others would be read as garbage.
        if not rows.schema.equals(self.schema):
            raise AssertionError(f"{rows.schema} is not {self.schema}")
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                session = _Session(self._sql, self.schema)
            if session.process == os.getpid():
                session.rows.table = rows
                return session


def _coded(sql: str, of: Type) -> str:
    """A value as NumPy holds it exactly: instants, days and unscaled decimals as integers."""
    match of.name:
        case "timestamp":
            return f"epoch_us({sql})"
        case "date":
            return f"epoch_us({sql}) // {DAY}"
        case "decimal":
            # DuckDB multiplies decimals of up to 18 digits in 64 bits, where the product has to fit.
            narrow = of.precision + of.scale <= LARGEST_PRECISION
            factor = sql if narrow else f"CAST(({sql}) AS DECIMAL(38, {of.scale}))"
            return f"CAST(({factor}) * {10**of.scale} AS BIGINT)"
        case _:
            return sql


def _from_arrow(column: pa.ChunkedArray, of: Type) -> pa.Array:
    if of.is_text or not of.is_scalar:
        return (column if column.type == of.arrow() else column.cast(of.arrow())).combine_chunks()
    whole = column.combine_chunks()
    null = whole.is_null().to_numpy(zero_copy_only=False) if whole.null_count else None
    filled = pc.fill_null(whole, pa.scalar(0, pa.int64()).cast(whole.type)) if whole.null_count else whole
    return _decoded(filled.to_numpy(zero_copy_only=False), null, of)


def _from_numpy(column: Array, of: Type) -> pa.Array:
    if isinstance(column, np.ma.MaskedArray):
        return _decoded(column.data, np.ma.getmaskarray(column), of)
    return _decoded(column, None, of)


def _decoded(data: Array, null: Array | None, of: Type) -> pa.Array:
    match of.name:
        case "timestamp":
            return pa.array(data, pa.int64(), mask=null).view(of.arrow())
        case "date":
            return pa.array(data.astype(np.int32), pa.int32(), mask=null).view(of.arrow())
        case "decimal":
            return decimals(data, null, of)
        case _:
            return pa.array(data, of.arrow(), mask=null)


def decimals(unscaled: Array, null: Array | None, of: Type) -> pa.Array:
    """Decimals from their unscaled values.

    Args:
        unscaled: n int64.
        null: Where there is none, bool; None for nowhere.
        of: The decimal type.
    """
    words = np.empty((len(unscaled), 2), dtype=np.int64)
    words[:, 0] = unscaled
    words[:, 1] = unscaled >> 63
    bitmap = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(of.arrow(), len(unscaled), [bitmap, pa.py_buffer(words)])
