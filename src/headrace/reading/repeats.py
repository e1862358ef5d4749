"""Rows that a `unique` rule leaves out: all that have a value another row had before.

Before is a matter of knowledge, as for copies of events: of the rows with one value the one of smallest
(known, event_time, bytes) stays. So neither the order of files and rows nor what becomes known later changes
what counts at an instant. Each rule is judged by itself, among the rows that break no other.

A first look at the column alone tells rows whose value may be there twice, by its hash; only those are read
whole and compared. Hashes beyond a limit go to disk, and are looked through part by part.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.config.values import size
from headrace.intake.casts import cast_all
from headrace.intake.cleaning import Cleaner
from headrace.intake.doubles import settle_array
from headrace.intake.row_rules import RowRules, repeated_value
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.duplicates import first_copies
from headrace.kernel.row_bytes import row_bytes
from headrace.kernel.sorting import repeated
from headrace.kernel.text_hash import hash_texts
from headrace.reading.pieces import opened_pieces
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.definitions.source import Source
    from headrace.intake.rejects import Fault
    from headrace.reading.piece import Batch, Piece

__all__ = ["Hashes", "Repeats", "find_repeats"]

_HELD = 1 << 26
"""How many hashes are held in memory at most."""

_OF_A_HASH = 64
"""Bytes that a hash takes while it is looked through: itself, its place, and both sorted."""

_DRAWERS = 64
"""Into how many files they are dealt beyond that."""

_WHOLE = 1 << 17
"""How many rows are read whole at once."""


class Repeats:
    """Which rows of a batch repeat a value, by rule, file and place in it."""

    def __init__(self) -> None:
        """None yet."""
        self._rows: dict[tuple[int, str], Array] = {}
        self._rules: dict[int, Rule] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rows)

    def add(self, place: int, rule: Rule, file: str, rows: Array) -> None:
        """Remember rows.

        Args:
            place: The rule's place among the unique rules.
            rule: The rule.
            file: The file.
            rows: Places in it, int64.
        """
        self._rules[place] = rule
        before = self._rows.get((place, file))
        self._rows[place, file] = np.sort(rows if before is None else np.concatenate([before, rows]))

    def faults(self, piece: Piece, places: Array) -> list[Fault]:
        """What rows of a piece break.

        Args:
            piece: The piece.
            places: n ascending places in it.
        """
        if not self._rows or not len(places):
            return []
        found = []
        where = piece.places(places)
        for number, rule in self._rules.items():
            none = np.zeros(0, dtype=np.int64)
            mask = np.concatenate(
                [np.isin(each.rows, self._rows.get((number, each.file), none)) for each in where]
            )
            if mask.any():
                found.append(repeated_value(rule, mask))
        return found


def find_repeats(
    source: Source,
    schema: Schema,
    table: pa.Table | None,
    paths: Sequence[Path],
    *,
    zone: str = "UTC",
    memory: str | int | None = None,
    threads: int | None = None,
) -> Repeats:
    """The rows of a whole batch that repeat a value.

    Args:
        source: The source.
        schema: Its frozen schema.
        table: Its batch, if it is a table in memory.
        paths: All files of its batch else.
        zone: The IANA zone of `local(ts)`.
        memory: The most that DuckDB may hold, and hashes: bytes, or a size such as "2GB".
        threads: How many threads read.

    Raises:
        DataError: The data cannot be read.
    """
    repeats = Repeats()
    held = _HELD if memory is None else min(_HELD, size(memory) // _OF_A_HASH)
    unique = [rule for rule in source.rules if rule.kind == "unique"]
    rules = RowRules(source, schema, zone) if source.on_invalid != "warn" else None
    for number, rule in enumerate(unique):
        with tempfile.TemporaryDirectory(prefix="headrace-") as directory:
            hashes = Hashes(Path(directory), held)
            with opened_pieces(table, paths, schema, memory, threads) as pieces:
                for piece in pieces:
                    for batch in piece.batches([rule.column]):
                        hashes.add(*_hashed(batch, rule.column, schema))
                    hashes.end_piece()
            for suspects in hashes.suspects():
                with opened_pieces(table, paths, schema, memory, threads) as pieces:
                    _judge(repeats, number, rule, pieces, suspects, _Whole(source, schema, rules))
    return repeats


def _hashed(batch: Batch, column: str, schema: Schema) -> tuple[Array, Array]:
    """The hashes of a column's values that are not null, and their places in the piece."""
    of = schema[column]
    cast = cast_all({column: (batch.rows.column(column), of)})[column].values
    values = settle_array(cast, of, allow_infinite=True).values
    at = np.arange(len(values))
    if values.null_count:
        at = at[values.is_valid().to_numpy(zero_copy_only=False)]
        values = values.drop_null()
    words = values if of.is_text else row_bytes(pa.table({column: values}), Schema({column: of}))
    return hash_texts(words), batch.at(at)


class Hashes:
    """Hashes of values and where they are, in memory or on disk."""

    def __init__(self, directory: Path, held: int = _HELD) -> None:
        """None yet.

        Args:
            directory: Where they go beyond what is held.
            held: How many are held in memory.
        """
        self._directory = directory
        self._limit = held
        self._hashes: list[Array] = []
        self._places: list[Array] = []
        self._held = 0
        self._spilled = False
        self._piece = 0

    def end_piece(self) -> None:
        """What follows is of the next piece."""
        self._piece += 1

    def add(self, hashes: Array, places: Array) -> None:
        """Take in hashes of the present piece, and their places."""
        self._hashes.append(hashes)
        # The piece in the upper bits: places of a piece are rows of files, never so many.
        self._places.append(places | (self._piece << _PIECE))
        self._held += len(hashes)
        if self._held > self._limit:
            self._spill()

    def _spill(self) -> None:
        hashes, places = np.concatenate(self._hashes), np.concatenate(self._places)
        drawer = (hashes >> np.uint64(58)).astype(np.int64)
        for each in range(_DRAWERS):
            here = drawer == each
            with (self._directory / str(each)).open("ab") as file:
                np.column_stack([hashes[here].view(np.int64), places[here]]).tofile(file)
        self._hashes, self._places, self._held, self._spilled = [], [], 0, True

    def suspects(self) -> Iterator[Array]:
        """Places of values whose hash occurs twice; those of one hash together."""
        if not self._spilled:
            parts = [(np.concatenate(self._hashes), np.concatenate(self._places))] if self._hashes else []
            yield from (found for part in parts if len(found := _twice(*part)))
            return
        if self._hashes:
            self._spill()
        for each in range(_DRAWERS):
            rows = np.fromfile(self._directory / str(each), dtype=np.int64).reshape(-1, 2)
            if len(found := _twice(np.ascontiguousarray(rows[:, 0]).view(np.uint64), rows[:, 1])):
                yield found


_PIECE = 44
"""The bits of a place within its piece."""


def _twice(hashes: Array, places: Array) -> Array:
    return np.sort(places[repeated(hashes)])


class _Whole:
    """Reads rows whole, and keeps the good ones."""

    def __init__(self, source: Source, schema: Schema, rules: RowRules | None) -> None:
        self.source = source
        self.schema = schema
        self._rules = rules

    def rows(self, piece: Piece, places: Array) -> Iterator[tuple[pa.Table, Array]]:
        """The good rows at ascending places of a piece, and their places."""
        cleaner = Cleaner(self.source, self.schema, (), rules=self._rules, what=piece.what)
        for raw, at in _picked(piece, places, list(self.schema)):
            cleaned = cleaner.clean(raw, described=False)
            good = np.delete(np.arange(raw.num_rows), cleaned.rejected.column("ordinal").to_numpy())
            yield cleaned.rows, at[good]


def _picked(piece: Piece, places: Array, names: Sequence[str]) -> Iterator[tuple[pa.Table, Array]]:
    """The raw rows at ascending places of a piece, and their places."""
    if not piece.complete:
        for start in range(0, len(places), _WHOLE):
            yield piece.whole(places[start : start + _WHOLE]), places[start : start + _WHOLE]
        return
    for batch in piece.batches(names):
        all_places = batch.at(np.arange(batch.rows.num_rows))
        here = np.isin(all_places, places)
        if here.any():
            yield pa.Table.from_batches([batch.rows.filter(pa.array(here))]), all_places[here]


def _judge(
    repeats: Repeats, number: int, rule: Rule, pieces: Sequence[Piece], suspects: Array, whole: _Whole
) -> None:
    """Tell which of the rows with one hash repeat a value."""
    tables, at = [], []
    for place, piece in enumerate(pieces):
        here = suspects[suspects >> _PIECE == place] & ((1 << _PIECE) - 1)
        for rows, places in whole.rows(piece, here) if len(here) else ():
            tables.append(rows)
            at.append(places | (place << _PIECE))
    if not tables:
        return
    rows, places = pa.concat_tables(tables), np.concatenate(at)
    time, known = (rows.column(name).to_numpy() for name in (TIME, KNOWN))
    nobody = np.zeros(rows.num_rows, dtype=np.int64)
    counts = first_copies(nobody, time, known, rows, whole.schema, rule.column)
    if counts is None:
        return
    # A later row that equals the first in all: the first in place stays.
    losers = np.sort(places[~counts])
    for place, piece in enumerate(pieces):
        mine = losers[losers >> _PIECE == place] & ((1 << _PIECE) - 1)
        for each in piece.places(mine) if len(mine) else ():
            repeats.add(number, rule, each.file, each.rows)
