"""Events to push, from a file, standard input or the command line."""

from __future__ import annotations

import gzip
import json
import sys
from typing import TYPE_CHECKING, Any

from headrace.errors import DataError
from headrace.reading.locate import KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["read_rows"]


def read_rows(file: Path | None, texts: Sequence[str] = ()) -> Any:
    """The rows, as `push` takes them.

    Args:
        file: JSON Lines, CSV (an empty field is null, `""` an empty text) or Parquet by its ending; `-` is
            JSON Lines on standard input; None for `texts`.
        texts: JSON objects.

    Raises:
        DataError: The file is missing, cannot be read, or has another ending; a line is no JSON object.
    """
    if file is None:
        return _objects(texts, "--row")
    if str(file) == "-":
        return _objects(sys.stdin, "line")
    kind = kind_of(file)
    if kind is None:
        raise DataError(
            f"{file} is in no form that can be pushed.",
            asked=file.suffix or file.name,
            available=KINDS,
            remedy="Write it as JSON Lines, one object a line.",
        )
    try:
        return _READERS[kind](file)
    except (OSError, EOFError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise DataError(
            f"{file} cannot be read: {reason}.", asked=file, remedy="Give a readable file."
        ) from None


def _json_lines(file: Path) -> list[dict[str, Any]]:
    with (
        gzip.open(file, "rt", encoding="utf-8")
        if file.suffix.lower() == ".gz"
        else file.open(encoding="utf-8") as lines
    ):
        return _objects(lines, f"{file}, line")


def _csv(file: Path) -> list[dict[str, Any]]:
    """Every field as a text, which push casts; an empty one is null, a quoted empty one the empty text."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    texts = arrow_csv.ConvertOptions(
        default_column_type=pa.string(),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    tabs = ".tsv" in {each.lower() for each in file.suffixes}
    form = arrow_csv.ParseOptions(delimiter="\t" if tabs else ",", newlines_in_values=True)
    rows: list[dict[str, Any]] = arrow_csv.read_csv(
        file, parse_options=form, convert_options=texts
    ).to_pylist()
    return rows


def _objects(lines: Iterable[str], where: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{where} {number} is not JSON: {error}.",
                asked=line.strip()[:80],
                remedy="Nothing was pushed.",
            ) from None
        if not isinstance(row, dict):
            raise DataError(
                f"{where} {number} is not a JSON object.",
                asked=line.strip()[:80],
                remedy="Nothing was pushed.",
            )
        rows.append(row)
    return rows


def _parquet(file: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as rows:
            return rows.read()
    except pa.ArrowException as error:
        raise DataError(
            f"{file} cannot be read: {error}.", asked=file, remedy="Write the file again."
        ) from None


_READERS: dict[str, Callable[[Path], Any]] = {
    "json": _json_lines,
    "csv": _csv,
    "parquet": _parquet,
}
