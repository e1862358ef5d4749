"""A spine in a file: Parquet, CSV or JSON Lines.

Text has no types of its own: the columns whose types are declared are read as they are written, all others as
they look.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
from pyarrow import csv, json, parquet

from headrace.errors import DataError
from headrace.reading.locate import KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Read: TypeAlias = Callable[[Path, set[str]], pa.Table]

__all__ = ["read_spine_file"]

_COMPRESSED = {".zst", ".bz2"}  # what Arrow undoes by the suffix, besides .gz


def read_spine_file(path: Path, texts: Iterable[str]) -> pa.Table:
    """Read the file.

    Args:
        path: `.parquet` or `.pq`; `.csv` or `.tsv`; `.jsonl`, `.ndjson` or `.json` with one object a line.
            The text forms may be compressed (`.csv.gz`, ..).
        texts: Columns whose texts are not to be guessed at: "007" in one of them stays as it is.

    Returns:
        The rows, in the file's order.

    Raises:
        DataError: The file is missing, empty, cannot be read, or is none of these.
    """
    read = _reader(path)
    try:
        if path.stat().st_size == 0:
            raise DataError(f"The spine {path} is empty.", asked=path, remedy="Give a file with rows.")
        return read(path, set(texts))
    except FileNotFoundError:
        raise DataError(
            f"There is no spine {path}.",
            asked=path,
            available=_siblings(path),
            remedy="Give the path of a Parquet, CSV or JSON Lines file.",
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(
            f"The spine {path} cannot be read: {reason}.", asked=path, remedy="Write the file again, whole."
        ) from None


def _reader(path: Path) -> Read:
    kind = kind_of(path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path)
    if kind is None:
        raise DataError(
            f"The spine {path} is in no form that can be read.",
            asked=path.suffix or path.name,
            available=KINDS,
            remedy="Write it as Parquet, CSV or JSON Lines.",
        )
    return _READERS[kind]


def _parquet(path: Path, _: set[str]) -> pa.Table:
    with parquet.ParquetFile(path) as file:  # not read_table: that makes columns of the directories' names
        return file.read()


def _csv(path: Path, texts: set[str]) -> pa.Table:
    tabs = ".tsv" in {each.lower() for each in path.suffixes}
    return csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter="\t" if tabs else ",", newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(texts, pa.string()),
            null_values=[""],  # "NA" is a country, "nan" a name
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _json_lines(path: Path, texts: set[str]) -> pa.Table:
    table = json.read_json(path)
    # Arrow takes texts like 2026-01-01 for timestamps; a key keeps its own spelling
    misread = [
        field.name for field in table.schema if field.name in texts and pa.types.is_timestamp(field.type)
    ]
    if not misread:
        return table
    schema = pa.schema([(name, pa.string()) for name in misread])
    again = json.read_json(path, parse_options=json.ParseOptions(explicit_schema=schema))
    return again.select(table.column_names)


_READERS: dict[str, Read] = {
    "parquet": _parquet,
    "csv": _csv,
    "json": _json_lines,
}


def _siblings(path: Path) -> list[str]:
    """Files beside the one asked for, nearest name first."""
    if not path.parent.is_dir():
        return []
    there = [each.name for each in path.parent.iterdir() if each.is_file() and not each.name.startswith(".")]
    return [str(path.parent / name) for name in difflib.get_close_matches(path.name, there, n=3, cutoff=0.3)]
