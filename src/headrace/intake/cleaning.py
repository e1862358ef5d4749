"""Cleaning: raw rows cast to the frozen schema, with their known instants; rows that cannot count told apart.

Nothing is guessed and nothing is lost: every row is either good or rejected with a reason. Only a row's own
values decide, so files, streams and pushes come to the same verdict.
"""

from __future__ import annotations

import difflib
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from headrace.clock import EARLIEST, LATEST, MINUTE
from headrace.errors import DataError
from headrace.intake.casts import cast_all, castable
from headrace.intake.doubles import settle_array
from headrace.intake.numbers import data_of, valid_of
from headrace.intake.rejects import RULES, Fault, no_rejects, rejected
from headrace.intake.times import beyond_years
from headrace.kernel.clean import KNOWN, TIME
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.intake.row_rules import RowRules, Suspects
    from headrace.schema import Schema

__all__ = ["KNOWN", "TIME", "Cleaned", "Cleaner", "RawSource", "clean"]

_AHEAD = 5 * MINUTE
"""How far an event may lie after the instant at which it was available; clocks differ."""

_BATCH = 1 << 18


class RawSource(Protocol):
    """What cleaning asks of a source's definition."""

    @property
    def timestamp(self) -> str:
        """The column of event times."""
        ...

    @property
    def available_at(self) -> str | None:
        """The column of the instants at which rows were available."""
        ...

    @property
    def allow_infinite(self) -> bool:
        """Whether infinite doubles are values."""
        ...


class Cleaned(NamedTuple):
    """Raw rows, sorted out.

    Attributes:
        rows: Good rows in their order: the schema's columns asked for, `__time`, `__known`.
        rejected: The others, see `rejects_of`.
        counts: `rows`, `good`, `rejected`, `nan` (values that became null), and the rejected ones by the rule
            that comes first.
        warned: How many good rows break a rule that only warns, by rule; "" is for any.
    """

    rows: pa.Table
    rejected: pa.Table
    counts: dict[str, int]
    warned: Mapping[str, int]


def clean(
    raw: pa.Table | pa.RecordBatch,
    source: RawSource,
    schema: Schema,
    key_columns: Sequence[str],
    what: str = "data",
) -> Cleaned:
    """Clean rows.

    Args:
        raw: n rows with the schema's columns in any castable types; other columns are left aside.
        source: Names the time columns.
        schema: The source's frozen schema.
        key_columns: The entity's join keys; a row without one of them is rejected.
        what: What the rows are, for messages.

    Raises:
        DataError: A column is missing, twice there, or of a type that cannot be cast.
    """
    return Cleaner(source, schema, key_columns, what=what).clean(raw)


class Cleaner:
    """Cleans batches of one source; holds nothing between them, so threads may share it."""

    def __init__(
        self,
        source: RawSource,
        schema: Schema,
        key_columns: Sequence[str],
        *,
        columns: Sequence[str] | None = None,
        checked: Sequence[str] | None = None,
        rules: RowRules | None = None,
        what: str = "data",
    ) -> None:
        """Prepare.

        Args:
            source: Names the time columns.
            schema: The source's frozen schema.
            key_columns: The entity's join keys.
            columns: The schema's columns to keep; None for all.
            checked: The columns to look at, where no other can spoil a row; None for all.
            rules: The source's own rules; None to judge rows by none.
            what: What the rows are, for messages.
        """
        self._source = source
        self._keys = tuple(key_columns)
        self._kept = [name for name in schema if columns is None or name in columns]
        self._instants_of_rows = {source.timestamp, source.available_at}
        self._rules = rules or None
        self._warns = rules is not None and rules.warns
        needed = {*self._kept, *self._keys, *self._instants_of_rows, *(rules.inputs if rules else ())}
        self._types = {
            name: of for name, of in schema.items() if checked is None or name in checked or name in needed
        }
        self._what = what
        self._found: pa.Schema | None = None
        for name in (*self._keys, source.timestamp, *filter(None, [source.available_at])):
            if name not in schema:
                schema[name]  # raises the error that offers the nearest names

    def clean(
        self,
        raw: pa.Table | pa.RecordBatch,
        first: int = 0,
        *,
        others: Sequence[Fault] = (),
        suspects: Suspects | None = None,
        described: bool = True,
    ) -> Cleaned:
        """Clean rows.

        Args:
            raw: n rows.
            first: The place of the first of them.
            others: What else is known to be wrong with them.
            suspects: Which of them alone may break some of the rules; None where nobody asked.
            described: Whether to write out rejected rows and their reasons.

        Raises:
            DataError: A column is missing, twice there, or of a type that cannot be cast.
        """
        if raw.schema is not self._found and raw.schema != self._found:
            self.check(raw.schema)
            self._found = raw.schema
        good: list[pa.RecordBatch] = []
        bad: list[pa.Table] = []
        counts = Counter(dict.fromkeys(("rows", "good", "rejected", "nan", *RULES), 0))
        warned: Counter[str] = Counter()
        for batch in _batches(raw):
            start, stop = counts["rows"], counts["rows"] + batch.num_rows
            here = [each._replace(mask=each.mask[start:stop]) for each in others]
            few = suspects and suspects._replace(mask=suspects.mask[start:stop])
            rows, faults, nans = self._judged(batch, here, few, warned)
            counts.update(rows=batch.num_rows, nan=nans)
            if faults:
                spoiled = rejected(batch, faults, first + start, described=described)
                bad.append(spoiled)
                counts.update(spoiled.column("rule").to_pylist(), rejected=spoiled.num_rows)
                rows = rows.filter(pa.array(~np.logical_or.reduce([fault.mask for fault in faults])))
            good.append(rows)
            counts.update(good=rows.num_rows)
        whole = pa.concat_tables([no_rejects(), *bad])
        return Cleaned(pa.Table.from_batches(good, self.schema), whole, dict(counts), warned)

    @property
    def reads(self) -> list[str]:
        """The columns that raw rows must have."""
        return list(self._types)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of clean rows."""
        kept = [(name, self._types[name].arrow()) for name in self._kept]
        return pa.schema([*kept, (TIME, pa.int64()), (KNOWN, pa.int64())])

    def check(self, found: pa.Schema) -> None:
        """Check that raw rows have the columns, in types that can be cast.

        Raises:
            DataError: They do not.
        """
        for name, of in self._types.items():
            places = found.get_all_field_indices(name)
            if len(places) != 1:
                near = difflib.get_close_matches(name, found.names, n=5, cutoff=0.5)
                raise DataError(
                    f"The {self._what} has {'two columns' if places else 'no column'} {name!r}.",
                    asked=name,
                    available=near or found.names,
                    remedy="Rename one of them." if places else "The source's schema says it is there.",
                )
            if not castable(found.types[places[0]], of):
                raise DataError(
                    f"Column {name!r} of the {self._what} is {found.types[places[0]]}, "
                    f"which cannot be read as the schema's {of}.",
                    asked=name,
                    available=[
                        f"{each}: {kind}" for each, kind in zip(found.names, found.types, strict=True)
                    ],
                    remedy="Convert the column, or declare another type under a new version of the source.",
                )

    def _judged(
        self,
        raw: pa.RecordBatch,
        others: Sequence[Fault],
        suspects: Suspects | None,
        warned: Counter[str],
    ) -> tuple[pa.RecordBatch, list[Fault], int]:
        """All rows as if they were good, what is wrong with them, and how many values were NaN."""
        faults: list[Fault] = []
        values: dict[str, pa.Array] = {}
        nans = 0
        casts = cast_all({name: (raw.column(name), of) for name, of in self._types.items()})
        for name, of in self._types.items():
            cast = casts[name]
            settled = settle_array(cast.values, of, allow_infinite=self._source.allow_infinite)
            values[name] = settled.values
            nans += cast.nans + settled.nans
            beyond = None if name in self._instants_of_rows else beyond_years(values[name], of)
            faults += [
                Fault("uncastable", name, mask, f"column {name!r}: {{value}} is no {of}")
                for mask in (cast.bad, beyond)
                if mask is not None
            ]
            if settled.infinite is not None:
                faults.append(
                    Fault("infinite", name, settled.infinite, f"column {name!r}: {{value}} is infinite")
                )
        time, known = self._instants(values, faults)
        faults += [
            Fault("no_key", name, ~valid, f"the key {name!r} is null")
            for name in self._keys
            if (valid := valid_of(values[name])) is not None
        ]
        faults.sort(key=lambda fault: RULES.index(fault.rule))
        faults = self._first_of_column(faults)
        broken = [*(self._rules.faults(values, faults, suspects) if self._rules else ()), *others]
        if self._warns:
            none = np.zeros(raw.num_rows, dtype=bool)
            good = ~np.logical_or.reduce([none, *(each.mask for each in faults)])
            warned.update({fault.rule: int((fault.mask & good).sum()) for fault in broken})
            warned[""] += int((np.logical_or.reduce([none, *(each.mask for each in broken)]) & good).sum())
        else:
            faults += broken
        columns = [*(values[name] for name in self._kept), pa.array(time), pa.array(known)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema), faults, nans

    def _first_of_column(self, faults: Sequence[Fault]) -> list[Fault]:
        """Of what is wrong with a column of a row the first: a value that is none is null besides."""
        seen: dict[str, Array] = {}
        kept = []
        for fault in faults:
            about = {fault.column, self._source.timestamp} if fault.rule == "future" else {fault.column}
            mask = fault.mask
            for column in about & seen.keys():
                mask = mask & ~seen[column]
            if mask.any():
                kept.append(fault._replace(mask=mask))
                seen[fault.column] = mask | seen.get(fault.column, False)
        return kept

    def _instants(self, values: Mapping[str, pa.Array], faults: list[Fault]) -> tuple[Array, Array]:
        """Event times and known instants; anything where a row is spoiled."""
        column, available = self._source.timestamp, self._source.available_at
        time, valid = data_of(values[column], np.int64), valid_of(values[column])
        if valid is not None:
            faults.append(Fault("no_time", column, ~valid, f"the timestamp {column!r} is null"))
        self._in_range(column, time, valid, faults)
        if available is None:
            return time, time
        at, known = data_of(values[available], np.int64), valid_of(values[available])
        self._in_range(available, at, known, faults)
        if known is not None:
            at = np.where(known, at, time)
        ahead = time - _AHEAD > at
        if ahead.any():
            reason = f"its time is more than 5 minutes after {available!r}, {{value}}"
            faults.append(Fault("future", available, ahead, reason))
        return time, np.maximum(time, at)

    @staticmethod
    def _in_range(column: str, at: Array, valid: Array | None, faults: list[Fault]) -> None:
        if not len(at) or (at.min() >= EARLIEST and at.max() <= LATEST):
            return
        outside = (at < EARLIEST) | (at > LATEST)
        if valid is not None:
            outside &= valid
        if outside.any():
            reason = f"column {column!r}: {{value}} is not in the years 1 to 9999"
            faults.append(Fault("out_of_range", column, outside, reason))


def _batches(raw: pa.Table | pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if isinstance(raw, pa.RecordBatch):
        yield raw
        return
    chunks = max((column.num_chunks for column in raw.columns), default=1)
    if chunks > 1 and raw.num_rows < chunks * 1_000:  # many small pieces cost more than their copy
        raw = raw.combine_chunks()
    yield from raw.to_batches(max_chunksize=_BATCH)
