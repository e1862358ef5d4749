"""Reading a source: files or a table in, clean rows with their expressions evaluated out, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.intake.cleaning import Cleaner
from headrace.intake.evaluator import Evaluator
from headrace.intake.refusing import Refusal
from headrace.intake.rejects import EXPRESSION
from headrace.intake.row_rules import RowRules, Suspects
from headrace.reading.batch import batch_files, batch_table
from headrace.reading.pieces import opened_pieces
from headrace.reading.repeats import Repeats, find_repeats
from headrace.reading.report import Report

if TYPE_CHECKING:
    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.reading.piece import Piece
    from headrace.schema import Schema

__all__ = ["DESCRIBED", "Reading", "read"]


DESCRIBED = 1_000_000
"""How many rejected rows of a reading are handed out, unless it is said otherwise."""


class Reading(Iterator[pa.Table]):
    """The clean batches of a source, read once.

    Each has the columns asked for, the expressions, `__time`, `__known`; rows come in the files' order.
    An expression that fails on a row is null there and reported (rule `expression`): the row does not count
    for what reads the expression, whatever else is asked for beside it.

    Attributes:
        counts: So far: `rows` read, `good`, `rejected`, `nan` (values made null), `failed` (rows on which
            an expression failed), and the rejected rows by the rule that comes first.
        schema: The columns of each batch.
        beyond: So far: rows left out that were not handed out, by the rule that comes first.
        warned: So far: good rows that break a rule which only warns, by rule; "" is for any.
    """

    def __init__(self, batches: Iterator[pa.Table], run: _Run) -> None:
        """Wrap what reads.

        Args:
            batches: The batches.
            run: What makes and counts them.
        """
        self._batches = batches
        self.counts = run.counts
        self.schema = run.schema
        self.beyond = run.beyond
        self.warned = run.warned

    def __iter__(self) -> Reading:
        return self

    def __next__(self) -> pa.Table:
        return next(self._batches)

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows were left out so far, by the rule that comes first; where an expression failed."""
        others = {"rows", "good", "rejected", "nan", "failed"}
        counts = {rule: count for rule, count in self.counts.items() if rule not in others}
        counts[EXPRESSION] = self.counts["failed"]
        return {rule: counts[rule] for rule in sorted(counts) if counts[rule]}

    def whole(self) -> pa.Table:
        """All that is left as one table."""
        return pa.concat_tables([self.schema.empty_table(), *self])


def read(  # noqa: PLR0913 - what may be asked; all but two are keywords
    source: Source,
    schema: Schema,
    *,
    columns: Sequence[str] | None = None,
    expressions: Mapping[str, str] | None = None,
    keys: Sequence[str] = (),
    zone: str = "UTC",
    directory: str | Path = ".",
    memory: str | int | None = None,
    threads: int | None = None,
    on_rejected: Callable[[pa.Table], None] | None = None,
    files: Sequence[Path] | None = None,
    on_clean: Callable[[str, pa.Table], None] | None = None,
    having: tuple[str, pa.Array] | None = None,
    repeats: Repeats | None = None,
    limit: int = DESCRIBED,
) -> Reading:
    """Read a source's batch.

    Args:
        source: An event or table source with a batch.
        schema: Its frozen schema; every file is cast to it.
        columns: The schema's columns wanted; None for all.
        expressions: Derived columns and conditions to evaluate, by name.
        keys: The entity's join keys; rows without one are rejected.
        zone: The IANA zone of `local(ts)`.
        directory: Where relative paths begin.
        memory: The most that DuckDB may hold: bytes, or a size such as "2GB".
        threads: How many threads read.
        on_rejected: Is handed rejected rows as they are found, see `rejects_of`, with `ordinal` the place in
            their file and `origin` the file; "" for a table.
        files: Those of the batch's files to read; None for all.
        on_clean: Is handed the clean rows of each file as they are found.
        having: A column and values: rows that have none of them may be left out. Not with `on_clean` or
            `on_rejected`: nobody knows then what was not looked at.
        repeats: The rows that `unique` leaves out; None to look for them, in all files of the batch.
        limit: How many rejected rows are handed out; those beyond are counted only.

    Raises:
        DataError: The data is missing, empty, cannot be read, or lacks columns of the schema; or rows are
            invalid that the source says to reject, which is told after the last batch.
        DefinitionError: An expression does not fit the schema.
    """
    evaluator = Evaluator(
        schema, expressions or {}, zone, allow_infinite=source.allow_infinite, written=source.written
    )
    wanted = list(schema) if columns is None else [name for name in schema if name in columns]
    table = batch_table(source) if source.in_memory else None
    paths: Sequence[Path] = []
    if table is None:
        paths = batch_files(source, Path(directory)) if files is None else files
    judged = having is None and (table is not None or paths)
    if repeats is None and judged and any(rule.kind == "unique" for rule in source.rules):
        whole = paths if table is not None or files is None else batch_files(source, Path(directory))
        repeats = find_repeats(source, schema, table, whole, zone=zone, memory=memory, threads=threads)
    cleaning = _Cleaning(source, schema, keys, RowRules(source, schema, zone), repeats or Repeats())
    run = _Run(cleaning, wanted, evaluator, on_rejected, on_clean, limit)
    return Reading(run.batches(table, paths, memory, threads, having), run)


class _Cleaning(NamedTuple):
    """By what rows are judged: the source, its frozen schema, join keys, its rules, and what repeats."""

    source: Source
    schema: Schema
    keys: Sequence[str]
    rules: RowRules
    repeats: Repeats

    def cleaner(
        self, piece: Piece, columns: Sequence[str] | None = None, checked: Sequence[str] | None = None
    ) -> Cleaner:
        """What cleans rows of a piece: whole ones, or some columns of them."""
        return Cleaner(
            self.source, self.schema, self.keys,
            columns=columns, checked=checked, rules=self.rules, what=piece.what,
        )  # fmt: skip


class _Run:
    """One reading of one source."""

    def __init__(
        self,
        cleaning: _Cleaning,
        wanted: Sequence[str],
        evaluator: Evaluator,
        on_rejected: Callable[[pa.Table], None] | None,
        on_clean: Callable[[str, pa.Table], None] | None,
        limit: int,
    ) -> None:
        self.cleaning = cleaning
        self.wanted = wanted
        self.evaluator = evaluator
        self.refusal = Refusal(cleaning.source.name) if cleaning.source.on_invalid == "reject" else None
        self.on_rejected = on_rejected if self.refusal is None else self.refusal.take
        self.on_clean = on_clean
        self.limit = limit
        self.counts: Counter[str] = Counter(rows=0, good=0, rejected=0, nan=0, failed=0)
        self.warned: Counter[str] = Counter()
        self.beyond: Counter[str] = Counter()
        evaluated = [(name, of.arrow()) for name, of in evaluator.types.items()]
        known = [("__time", pa.int64()), ("__known", pa.int64())]
        kept = [(name, cleaning.schema[name].arrow()) for name in wanted]
        self.schema = pa.schema([*kept, *evaluated, *known])

    def batches(
        self,
        table: pa.Table | None,
        paths: Sequence[Path],
        memory: str | int | None,
        threads: int | None,
        having: tuple[str, pa.Array] | None,
    ) -> Iterator[pa.Table]:
        """Read all pieces, one after another."""
        with opened_pieces(table, paths, self.cleaning.schema, memory, threads, having=having) as pieces:
            for piece in pieces:  # before a row of any is read
                self.cleaning.cleaner(piece).check(piece.columns)
            for piece in pieces:
                yield from self._piece(piece)
        if self.refusal is not None:
            self.refusal.check()

    def _piece(self, piece: Piece) -> Iterator[pa.Table]:
        schema, repeats = self.cleaning.schema, self.cleaning.repeats
        checked = piece.checked(schema, allow_infinite=self.cleaning.source.allow_infinite)
        cleaner = self.cleaning.cleaner(piece, [*self.wanted, *self.evaluator.inputs], checked)
        whole = self.cleaning.cleaner(piece)
        report = Report(piece, whole, self.on_rejected, repeats.faults, self.limit, self.beyond)
        screen = self.cleaning.rules.screen(piece.columns)
        for batch in piece.batches(cleaner.reads, screen.sql):
            others = repeats.faults(piece, batch.at(np.arange(batch.rows.num_rows)))
            suspects = None if batch.suspects is None else Suspects(screen, batch.suspects)
            cleaned = cleaner.clean(batch.rows, others=others, suspects=suspects, described=report.described)
            self.counts.update(cleaned.counts)
            self.warned.update(cleaned.warned)
            spoiled = cleaned.rejected.column("ordinal").to_numpy()
            if len(spoiled):
                report.rejected(cleaned.rejected, batch.at(spoiled))
            evaluated = self.evaluator.evaluate(cleaned.rows)
            if evaluated.failed is not None:
                self.counts["failed"] += pc.count_distinct(evaluated.failed.column("ordinal")).as_py()
                good = np.delete(np.arange(batch.rows.num_rows), spoiled)
                report.failed(evaluated.failed, batch, good)
            if cleaned.rows.num_rows:
                assembled = self._assembled(cleaned.rows, evaluated.columns)
                if self.on_clean is not None:
                    places = batch.at(np.delete(np.arange(batch.rows.num_rows), spoiled))
                    for file, rows in _by_file(piece, places, assembled):
                        self.on_clean(file, rows)
                yield assembled
        self.counts.update(report.finish(schema))
        self.limit = report.left

    def _assembled(self, rows: pa.Table, evaluated: pa.Table) -> pa.Table:
        columns = [
            evaluated.column(name) if name in self.evaluator.types else rows.column(name)
            for name in self.schema.names
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)


def _by_file(piece: Piece, places: Array, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Clean rows file by file.

    Args:
        piece: What they are of.
        places: Their places in it, ascending.
        rows: The rows.
    """
    start = 0
    for place in piece.places(places):
        yield place.file, rows.slice(start, len(place.rows))
        start += len(place.rows)
