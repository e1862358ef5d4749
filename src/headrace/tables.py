"""Rows in every form people hand them over in, as an Arrow table; and a table as pandas has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import DataError
from headrace.lazy import compute, pyarrow

__all__ = ["frame_of", "is_frame", "table_of", "without_views"]

_EXACT = 2**53
"""The integers up to which a double is every integer."""

_FORMS = ["an Arrow table", "a pandas or polars DataFrame", "a list of dicts", "a dict of columns"]


def table_of(rows: Any, what: str = "data") -> pyarrow.Table:
    """The rows as an Arrow table; their order, duplicates and types are kept.

    Args:
        rows: A `pyarrow.Table` or anything that hands out an Arrow stream (polars, DuckDB, record batches), a
            pandas DataFrame (named levels of its index become columns), a list of dicts (a key that a row
            lacks is null there), or a dict of columns.
        what: What the rows are, for messages: `spine`, `push`, ...

    Raises:
        DataError: It is none of these, two columns have one name, or a column mixes types.
    """
    if is_frame(rows):  # Arrow has no words of ours for it
        _refuse_twice(list(rows.columns), what)
    try:
        table = _converted(rows)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"The {what} cannot be read as a table: {_first_line(error)}.",
            remedy="Give every column values of one type, and columns of one length.",
        ) from None
    if table is None:
        lazily = hasattr(rows, "collect")
        raise DataError(
            f"The {what} has the type {type(rows).__name__}, which is not a table.",
            asked=type(rows).__name__,
            available=_FORMS,
            remedy="Call its collect() first." if lazily else "Give one of these.",
        )
    _refuse_twice(table.column_names, what)
    return table


def _refuse_twice(names: Sequence[Any], what: str) -> None:
    """Refuse a table with two columns of one name."""
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"The {what} has two columns named {twice[0]!r}.",
            asked=twice[0],
            remedy="Rename or drop one of them.",
        )


def is_frame(rows: Any) -> bool:
    """Whether rows are a pandas DataFrame."""
    return type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns")


def frame_of(table: pyarrow.Table) -> Any:
    """A table as a pandas DataFrame that says the same; maps are dicts.

    Integers beside nulls are doubles to pandas; where a double would round one, the column is its `Int64`.

    Raises:
        DataError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise DataError(
            "pandas is not installed.", asked="pandas", remedy="Run: pip install pandas."
        ) from None
    frame = table.to_pandas(maps_as_pydicts="lossy")
    for place, column in enumerate(table.columns):
        if pyarrow.types.is_int64(column.type) and column.null_count and _is_rounded(column):
            exact = column.to_pandas(types_mapper={column.type: pd.Int64Dtype()}.get)
            frame.isetitem(place, exact)
    return frame


def _is_rounded(integers: pyarrow.ChunkedArray) -> bool:
    """Whether a double would round one of some integers."""
    least, most = compute.min_max(integers).values()
    return bool((least.as_py() or 0) < -_EXACT or (most.as_py() or 0) > _EXACT)


def without_views(table: pyarrow.Table) -> pyarrow.Table:
    """The table with texts and bytes as Arrow has always had them.

    polars hands them out as views, which Arrow can neither filter nor write the same way twice.
    """
    types = [_viewless(of) for of in table.schema.types]
    if types == table.schema.types:
        return table
    columns = [column.cast(of) for column, of in zip(table.columns, types, strict=True)]
    return pyarrow.table(columns, names=table.column_names)


def _viewless(of: pyarrow.DataType) -> pyarrow.DataType:
    kinds = pyarrow.types
    if kinds.is_string_view(of):
        return pyarrow.large_string()
    if kinds.is_binary_view(of):
        return pyarrow.large_binary()
    if kinds.is_list(of) or kinds.is_large_list(of):
        inner = _viewless(of.value_type)
        return of if inner == of.value_type else pyarrow.large_list(inner)
    if kinds.is_struct(of):
        fields = [(field.name, _viewless(field.type)) for field in of]
        return of if [of for _, of in fields] == [field.type for field in of] else pyarrow.struct(fields)
    return of


def _converted(rows: Any) -> pyarrow.Table | None:
    if isinstance(rows, pyarrow.Table):
        return rows
    if is_frame(rows):
        return _from_pandas(rows)
    hands_out_arrow = hasattr(rows, "__arrow_c_stream__") or isinstance(rows, pyarrow.RecordBatch)
    if isinstance(rows, Mapping) or (hands_out_arrow and not hasattr(rows, "to_frame")):  # no single column
        return pyarrow.table(dict(rows) if isinstance(rows, Mapping) else rows)
    if isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        return pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    return None


def _from_pandas(frame: Any) -> pyarrow.Table:
    """A DataFrame; an index that only counts rows is left out."""
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    if levels:
        frame = frame.reset_index(level=levels)
    table = pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    if table.num_rows:
        return table
    # pandas takes a column of no values for floats; it may be of any type
    unknown = [of.with_type(pyarrow.null()) if of.type == pyarrow.float64() else of for of in table.schema]
    return pyarrow.schema(unknown).empty_table()


def _first_line(error: Exception) -> str:
    words = [str(each) for each in error.args] or [str(error)]
    return " ".join(words).splitlines()[0].rstrip(".")
