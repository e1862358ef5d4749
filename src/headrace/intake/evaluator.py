"""Expressions over Arrow tables, on the locked instance; row by row only where a batch fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headrace.intake.doubles import settle_array
from headrace.intake.expressions import Bound, bind_all, first_line
from headrace.intake.locked import Query, connect, quoted, selection
from headrace.intake.times import beyond_years
from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.schema import Type

__all__ = ["Evaluated", "Evaluator"]

_WITH_REASONS = 20
"""How many failing rows of an expression and batch get DuckDB's own message, which takes a statement each."""


class Evaluated(NamedTuple):
    """Expressions evaluated on n rows.

    Attributes:
        columns: One column for each expression, n rows; null where it failed.
        failed: Where an expression failed: `ordinal` (int64, the row), `expression` (its name), `reason`.
            None where none did.
    """

    columns: pa.Table
    failed: pa.Table | None


class Evaluator:
    """Expressions of a source, bound once and evaluated on many batches; threads may share it."""

    def __init__(
        self,
        schema: Mapping[str, Type],
        expressions: Mapping[str, str],
        zone: str = "UTC",
        *,
        allow_infinite: bool = False,
        written: str = "",
    ) -> None:
        """Bind the expressions.

        Args:
            schema: The columns of the rows.
            expressions: Names and expressions; they may read one another.
            zone: The IANA zone of `local(ts)`.
            allow_infinite: Whether an infinite double is a value; else it is a failure.
            written: File and line of the definition.

        Raises:
            DefinitionError: An expression does not fit the schema.
        """
        self._bound = bind_all(schema, expressions, zone, written)
        self._names = tuple(expressions)
        self._allow_infinite = allow_infinite
        read = {name for each in self._bound.values() for name in each.reads}
        self.inputs = tuple(name for name in schema if name in read)
        """The schema's columns that the expressions read."""
        self.types = {name: self._bound[name].type for name in expressions}
        """The type of each expression's value."""
        self._rows = pa.schema(
            [(name, schema[name].arrow()) for name in self.inputs] or [(_NOTHING, pa.bool_())]
        )
        values = [(quoted(name), self.types[name]) for name in self._names]
        self._query = Query(values, self._rows, _nested(self._bound.values()))

    def evaluate(self, rows: pa.Table | pa.RecordBatch) -> Evaluated:
        """The expressions' values.

        Args:
            rows: n clean rows with at least the columns in `inputs`.
        """
        n = rows.num_rows
        if not self._names or n == 0:
            return Evaluated(
                _table({name: pa.nulls(n, of.arrow()) for name, of in self.types.items()}, n), None
            )
        import duckdb

        table = self._input(rows)
        try:
            values = dict(zip(self._names, self._query.run(table), strict=True))
            failures: list[pa.Table] = []
        except duckdb.Error as error:
            _only_a_row(error)
            values, failures = self._one_by_one(table)
        columns = {name: self._settled(name, values[name], failures) for name in self._names}
        return Evaluated(_table(columns, n), _in_row_order(failures, self._names))

    def _input(self, rows: pa.Table | pa.RecordBatch) -> pa.Table:
        if not self.inputs:
            return pa.table([pa.nulls(rows.num_rows, pa.bool_())], schema=self._rows)
        columns = [rows.column(name) for name in self.inputs]
        types = self._rows.types
        same = [
            column if column.type == of else column.cast(of)
            for column, of in zip(columns, types, strict=True)
        ]
        return pa.table(same, schema=self._rows)

    def _one_by_one(self, table: pa.Table) -> tuple[dict[str, pa.Array], list[pa.Table]]:
        """Each expression by itself, under TRY where it fails: null there, and a reason."""
        failures: list[pa.Table] = []
        values: dict[str, pa.Array] = {}
        for each in self._bound.values():  # in the order in which they read one another
            value, failed = _tried(each, table)
            values[each.name] = value
            table = table.append_column(each.name, value)
            if len(failed):
                failures.append(_failures(each.name, failed, _reasons(each, table, failed)))
        return values, failures

    def _settled(self, name: str, values: pa.Array, failures: list[pa.Table]) -> pa.Array:
        settled = settle_array(values, self.types[name], allow_infinite=self._allow_infinite)
        if settled.infinite is not None:
            rows = np.flatnonzero(settled.infinite)
            failures.append(_failures(name, rows, [f"{name} is infinite"] * len(rows)))
        beyond = beyond_years(settled.values, self.types[name])
        if beyond is None:
            return settled.values
        rows = np.flatnonzero(beyond)
        failures.append(_failures(name, rows, [f"{name} is not in the years 1 to 9999"] * len(rows)))
        return pc.if_else(pa.array(beyond), pa.scalar(None, settled.values.type), settled.values)


_NOTHING = "__nothing"
"""The column of rows of which nothing is read: Arrow tables without columns have no rows."""


def _nested(bound: Iterable[Bound]) -> str:
    """The rows with every expression as a column, those that are read below those that read them."""
    rows = "rows"
    for each in bound:
        rows = f"({selection(f'*, {each.sql} AS {quoted(each.name)}', rows)})"
    return rows


def _tried(each: Bound, rows: pa.Table) -> tuple[pa.Array, list[int]]:
    """An expression's values, null where it fails, and the rows it fails on."""
    import duckdb

    value = f"{each.sql} AS value"
    try:
        return _typed(_selected(value, rows), each.type), []
    except duckdb.Error as error:
        _only_a_row(error)
        if rows.num_rows == 1:
            return pa.nulls(1, each.type.arrow()), [0]
    # A struct around the value tells "failed" (no struct) from "null" (a struct with a null in it).
    tried = f"(SELECT TRY({{'value': {each.sql}}}) AS tried FROM rows)"  # noqa: S608 - a checked expression
    try:
        result = _selected("tried.value, tried IS NULL", rows, tried)
    except duckdb.Error:  # of a kind that TRY lets through: on a row of the first half, or of the second
        half = rows.num_rows // 2
        first, early = _tried(each, rows.slice(0, half))
        second, late = _tried(each, rows.slice(half))
        return pa.concat_arrays([first, second]), early + [row + half for row in late]
    return _typed(result, each.type), np.flatnonzero(result.column(1).to_numpy()).tolist()


def _only_a_row(error: Exception) -> None:
    """Raise again what no row is to blame for."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException | duckdb.InterruptException | duckdb.InternalException):
        raise error


def _selected(columns: str, rows: pa.Table, of: str = "rows") -> pa.Table:
    """What DuckDB selects from the relation `rows`."""
    connection = connect()
    connection.register("rows", rows)
    return connection.sql(selection(columns, of)).to_arrow_table()


def _typed(result: pa.Table, of: Type) -> pa.Array:
    values = result.column(0)
    return (values if values.type == of.arrow() else values.cast(of.arrow())).combine_chunks()


def _reasons(each: Bound, rows: pa.Table, failed: list[int]) -> list[str]:
    """Why an expression fails on rows; DuckDB's message for the first few."""
    import duckdb

    plain = f"{each.name} cannot be evaluated"
    reasons = []
    for row in failed[:_WITH_REASONS]:
        try:
            _selected(f"{each.sql} AS value", rows.slice(row, 1))
        except duckdb.Error as error:
            reasons.append(f"{plain}: {first_line(error)}")
        else:
            reasons.append(plain)
    return reasons + [plain] * (len(failed) - len(reasons))


def _failures(name: str, rows: Iterable[int], reasons: list[str]) -> pa.Table:
    ordinal = pa.array(rows, pa.int64())
    return pa.table(
        {"ordinal": ordinal, "expression": [name] * len(ordinal), "reason": pa.array(reasons, pa.string())}
    )


def _in_row_order(failures: list[pa.Table], names: tuple[str, ...]) -> pa.Table | None:
    """All failures by row, then in the order in which the expressions were given."""
    if not failures:
        return None
    failures.sort(key=lambda each: names.index(each.column("expression")[0].as_py()))
    whole = pa.concat_tables(failures)
    return whole.take(pa.array(np.argsort(whole.column("ordinal").to_numpy(), kind="stable")))


def _table(columns: dict[str, pa.Array], n: int) -> pa.Table:
    if columns:
        return pa.table(columns)
    return pa.table({_NOTHING: pa.nulls(n)}).select([])
