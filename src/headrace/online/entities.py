"""The entities of a request, as people hand them over: columns of Python's own values are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from headrace.casting import listed, unboxed
from headrace.errors import DataError
from headrace.tables import table_of

if TYPE_CHECKING:
    Entities: TypeAlias = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]

__all__ = ["array_of", "by_column", "fields_of"]


def by_column(entities: Entities | None) -> dict[str, list[Any]]:
    """Entities as columns of Python's own values.

    Args:
        entities: Columns (lists, or columns of Arrow, NumPy, pandas or polars), rows, or a table of Arrow,
            pandas or polars; None for no columns.

    Raises:
        DataError: They are none of these, or rows of different keys.
    """
    if entities is None:
        return {}
    if isinstance(entities, Mapping):
        columns: Mapping[str, Any] = entities
    elif isinstance(entities, list | tuple):
        columns = _of_rows(entities)
    else:
        table = table_of(entities, "table of entities")
        columns = dict(zip(table.column_names, table.columns, strict=True))
    _check_names(columns)
    return {name: listed(values, f"Column {name!r} of the entities") for name, values in columns.items()}


def fields_of(context: Mapping[str, Any] | None) -> dict[str, Any]:
    """Request fields with one value for all entities, without the boxes of any library.

    Raises:
        DataError: They are no mapping of names.
    """
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        kind = type(context).__name__
        raise DataError(f"The context is a {kind}.", asked=kind, remedy='Give {"field": value}.')
    _check_names(context)
    return {name: unboxed(value) for name, value in context.items()}


def _check_names(given: Mapping[Any, Any]) -> None:
    for name in given:
        if not isinstance(name, str):
            raise DataError(f"{name!r} is no name.", asked=name, remedy="Names are texts.")


def _of_rows(rows: Sequence[Any]) -> dict[str, list[Any]]:
    if not all(isinstance(row, Mapping) for row in rows):
        raise DataError("Entities are columns or rows.", remedy='Give {"user_id": ["u1", "u2"]}.')
    names = list(rows[0]) if rows else []
    if any(set(row) != set(names) for row in rows):
        raise DataError(
            "The entities' rows differ in their columns.",
            available=names,
            remedy="Give every row the same keys.",
        )
    return {name: [row[name] for row in rows] for name in names}


def array_of(values: Sequence[Any]) -> pa.ChunkedArray:
    """A column of Python values as Arrow has it.

    Raises:
        DataError: They are of several types.
    """
    try:
        return pa.chunked_array([pa.array(values)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(map(str, error.args)).rstrip(".")
        raise DataError(
            f"These are not values of one column: {reason}.",
            asked=list(values)[:5],
            remedy="Give values of one type.",
        ) from None
