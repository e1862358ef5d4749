"""Texts read as values: by DuckDB where a text says a value exactly, refused otherwise."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from headrace.intake.locked import Query
from headrace.intake.numbers import Cast
from headrace.lazy import compute as pc
from headrace.lazy import pyarrow as pa
from headrace.schema import STRING, Type

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_texts"]

_TEXTS = Type("list", items=(STRING,))
_INTEGER = r"[+-]?[0-9]+(\.0*)?"
_ISO = "{v} BETWEEN '0' AND ':' AND NOT contains({v}, '(')"
"""Not the words (epoch, infinity) and eras that DuckDB knows besides."""


def read_texts(arrays: Sequence[pa.Array], types: Sequence[Type]) -> list[Cast]:
    """Columns of texts as values, in one statement.

    Args:
        arrays: Text columns of equal length.
        types: What each is read as; a list is read as a list of texts.

    Returns:
        For each column its values, and which texts say none.
    """
    query = _query(tuple(_TEXTS if of.name == "list" else of for of in types))
    texts = [pc.ascii_trim_whitespace(array.cast(pa.string())) for array in arrays]
    outcomes = []
    for array, values in zip(arrays, query.run(pa.table(texts, schema=query.schema)), strict=True):
        bad = None
        if values.null_count > array.null_count:
            bad = pc.and_(values.is_null(), array.is_valid()).to_numpy(zero_copy_only=False)
        outcomes.append(Cast(values, bad))
    return outcomes


@functools.cache
def _query(types: tuple[Type, ...]) -> Query:
    values = [(_said(of).format(v=f"c{place}"), of) for place, of in enumerate(types)]
    return Query(values, pa.schema([(f"c{place}", pa.string()) for place in range(len(types))]))


def _said(of: Type) -> str:  # noqa: PLR0911 - one for each type
    """SQL that is the value the text `{v}` says; null where it says none exactly."""
    match of.name:
        case "int64":
            # DuckDB rounds 1.5 to 2; a text with a point or exponent has to be a whole number as it stands.
            return (
                "CASE WHEN NOT contains({v}, '.') AND NOT contains({v}, 'e') AND NOT contains({v}, 'E') "
                "THEN TRY_CAST({v} AS BIGINT) "
                f"WHEN regexp_full_match({{v}}, '{_INTEGER}') THEN TRY_CAST({{v}} AS BIGINT) END"
            )
        case "decimal":
            digits = rf"[0-9]{{{{0,{of.scale}}}}}0*"
            exact = rf"[+-]?([0-9]+(\.{digits})?|\.{digits})"
            return f"CASE WHEN regexp_full_match({{v}}, '{exact}') THEN TRY_CAST({{v}} AS {of.sql()}) END"
        case "double":  # DuckDB takes a plus off and reads on: +-1 is -1 to it
            return "CASE WHEN NOT starts_with({v}, '+-') THEN TRY_CAST({v} AS DOUBLE) END"
        case "timestamp":
            return f"CASE WHEN {_ISO} THEN TRY_CAST({{v}} AS TIMESTAMPTZ) END"
        case "date":  # of an instant its day in UTC, as of any timestamp
            day = "CAST(TRY_CAST({v} AS TIMESTAMPTZ) AS DATE)"
            of_text = f"CASE WHEN strlen({{v}}) > 10 THEN {day} ELSE TRY_CAST({{v}} AS DATE) END"
            return f"CASE WHEN {_ISO} THEN {of_text} END"
        case "list":
            return (
                "CASE WHEN json_valid({v}) THEN TRY_CAST(TRY_CAST({v} AS JSON) AS VARCHAR[]) "
                "ELSE TRY_CAST({v} AS VARCHAR[]) END"
            )
        case _:
            return f"TRY_CAST({{v}} AS {of.sql()})"
