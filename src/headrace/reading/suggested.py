"""Types that texts and JSON values suggest, where nobody declared any: as narrow as all values seen allow."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.intake.casts import cast_all
from headrace.reading.lines import lines_of
from headrace.schema import BOOL, DATE, DOUBLE, INT64, STRING, TIMESTAMP, Type

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["SAMPLE", "of_json_lines", "of_texts"]

SAMPLE = 20_000
"""How many rows of a file are looked at."""

_TRUTH = r"(?i)^(true|false)$"
_NUMBER_LIKE_ID = r"^[+-]?0[0-9]"
"""A leading zero says that the digits are a name."""


def of_texts(texts: pa.Array) -> Type:
    """The type of a column of texts; string where they are nothing else, or all null."""
    seen = texts.drop_null()
    if not len(seen):
        return STRING
    if pc.all(pc.match_substring_regex(seen, _TRUTH)).as_py():
        return BOOL
    if pc.any(pc.match_substring_regex(seen, _NUMBER_LIKE_ID)).as_py():
        return STRING
    return next((of for of in (INT64, DOUBLE, DATE, TIMESTAMP) if _says(seen, of)), STRING)


def _says(texts: pa.Array, of: Type) -> bool:
    if of == DATE and pc.any(pc.match_substring(texts, ":")).as_py():
        return False
    return cast_all({"": (texts, of)})[""].bad is None


def of_json_lines(path: Path) -> dict[str, Type | None]:
    """The types of the keys of a JSON Lines file, in the order they appear; None for objects and the like.

    Raises:
        DataError: The file cannot be read.
    """
    values: dict[str, list[Any]] = {}
    for line in islice(lines_of(path), SAMPLE):
        try:
            found = json.loads(line) if line.strip() else None
        except ValueError:
            continue
        for name, value in found.items() if isinstance(found, dict) else ():
            values.setdefault(name, []).append(value)
    return {name: _of_values(seen) for name, seen in values.items()}


def _of_values(values: Iterable[Any]) -> Type | None:
    """The type of JSON values; None where no column holds them."""
    seen = [value for value in values if value is not None]
    kinds = {*map(type, seen)}
    if dict in kinds:
        return None
    if kinds == {list}:
        item = _of_values(item for value in seen for item in value)
        return Type("list", items=(item,)) if item else None
    if kinds == {str}:
        texts = pa.array([value.encode(errors="replace").decode() for value in seen])
        return next((of for of in (DATE, TIMESTAMP) if _says(texts, of)), STRING)
    simple = {frozenset({bool}): BOOL, frozenset({int}): INT64, frozenset({float}): DOUBLE}
    return DOUBLE if kinds == {int, float} else simple.get(frozenset(kinds), STRING)
