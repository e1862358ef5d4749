"""The schema of a source's batch, where none is declared: what its files or its table hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import DataError
from headrace.intake.casts import holds_unsigned, type_of
from headrace.reading.batch import batch_files, batch_table
from headrace.reading.database import open_database
from headrace.reading.delimited import DelimitedPiece
from headrace.reading.json_lines import refuse_document
from headrace.reading.locate import kind_of
from headrace.reading.parquet import parquet_pieces
from headrace.reading.suggested import of_json_lines
from headrace.schema import DATE, STRING, TIMESTAMP, Schema, Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from headrace.definitions.source import Source

__all__ = ["infer_schema"]


def infer_schema(source: Source, *, directory: str | Path = ".", threads: int | None = None) -> Schema:
    """The schema of a source's batch, as plan shows and freezes it.

    Columns of types that no source column can have (structs, maps, times of day, decimals of more than 18
    digits) are left out; one of unsigned 64-bit integers is refused, since only some of its values fit. Of
    CSV and JSON Lines the types are guessed from the first lines of each file. A date or text that the source
    names as a time is a timestamp.

    Args:
        source: An event or table source with a batch.
        directory: Where relative paths begin.
        threads: How many threads read; None for as many as there are cores.

    Raises:
        DataError: There is no data, it cannot be read, files disagree about a column, a column is uint64,
            or nothing can be used.
    """
    found: dict[str, tuple[Type, str]] = {}
    times = {source.timestamp, *(getattr(source, role) for role in source.times)}
    for number, (origin, types, sparse) in enumerate(_described(source, Path(directory), threads)):
        usable = {name: of for name, of in types.items() if of is not None}
        _check_case(types, origin)
        if number and not sparse:
            _check_same_columns(found, usable, origin)
        for name, of in usable.items():
            # a row whose time cannot be read as a timestamp is rejected
            known = TIMESTAMP if name in times and of in {DATE, STRING} else of
            found[name] = (_joined(name, known, origin, found[name]) if name in found else known), origin
    if not found:
        raise DataError(
            f"The batch of source {source.name!r} has no column that can be used.",
            asked=source.name,
            remedy="Write columns of numbers, texts, times or lists of them.",
        )
    return Schema({name: of for name, (of, _) in found.items()})


def _described(
    source: Source, directory: Path, threads: int | None
) -> Iterator[tuple[str, Mapping[str, Type | None], bool]]:
    """What each file or table is called, its columns' types, and whether it may lack some of them."""
    if source.in_memory:
        yield "table in memory", _types(batch_table(source).schema, "table in memory"), False
        return
    paths = batch_files(source, directory)
    database = open_database(threads=threads)
    try:
        if kind_of(paths[0]) == "parquet":
            for piece in parquet_pieces(database, paths):
                yield piece.what, _types(piece.columns, piece.what), False
        elif kind_of(paths[0]) == "csv":
            for path in paths:
                yield f"file {str(path)!r}", DelimitedPiece(database, path).suggested(), False
        else:
            for path in paths:
                refuse_document(path)
                yield f"file {str(path)!r}", of_json_lines(path), True
    finally:
        database.close()


def _types(columns: pa.Schema, origin: str) -> dict[str, Type | None]:
    for name, of in zip(columns.names, columns.types, strict=True):
        if holds_unsigned(of):
            raise DataError(
                f"Column {name!r} of the {origin} is {of}, and no column type holds all its numbers.",
                asked=name,
                available=["string", "int64"],
                remedy=f"Declare schema= with {name!r} as one of these (int64 rejects rows from 2^63 on), "
                "or without it.",
            )
    return {name: type_of(of) for name, of in zip(columns.names, columns.types, strict=True)}


def _check_case(names: Iterable[str], origin: str) -> None:
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        raise DataError(
            f"The {origin} has several columns {twice[0]!r}, which SQL cannot tell apart.",
            asked=twice[0],
            available=list(names),
            remedy="Rename all but one.",
        )


def _check_same_columns(
    found: Mapping[str, tuple[Type, str]], usable: Mapping[str, Type], origin: str
) -> None:
    for name in found.keys() ^ usable.keys():
        lacking = origin if name in found else next(iter(found.values()))[1]
        raise DataError(
            f"The {lacking} has no column {name!r}, which other files of the batch have.",
            asked=name,
            available=sorted(usable if name in found else found),
            remedy="Declare the schema without it, or write the file again.",
        )


def _joined(name: str, of: Type, origin: str, known: tuple[Type, str]) -> Type:
    """One type for what two files hold: only whole numbers and doubles have one."""
    other, where = known
    if of == other:
        return of
    if {of.name, other.name} == {"int64", "double"}:
        return Type("double")
    raise DataError(
        f"Column {name!r} is {other} in {where} and {of} in {origin}.",
        asked=name,
        available=[str(other), str(of)],
        remedy="Declare the schema: each file is cast to it.",
    )
