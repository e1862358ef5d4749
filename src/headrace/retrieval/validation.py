"""Validation on request: what given rows of a source, or given values of a feature, break."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from headrace.errors import DataError
from headrace.intake.feature_rules import FeatureRules
from headrace.intake.raw_rows import raw_table
from headrace.intake.rejects import reasons_of, rejected
from headrace.reading.source import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headrace.definitions.rules import Rule
    from headrace.definitions.source import Source
    from headrace.schema import Type

__all__ = ["Failure", "validate_rows", "validate_values"]


class Failure(NamedTuple):
    """A rule that a row or value breaks.

    Attributes:
        row: Its place, counted from 0; None for a line of a file that is no row.
        rule: The rule: `range(price)`, `custom(paid)`, or what every row has to be: `uncastable`, ...
        message: What is wrong, in words.
    """

    row: int | None
    rule: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """The failure as JSON values."""
        return self._asdict()


def validate_rows(source: Source, rows: Any, zone: str, directory: Path) -> list[Failure]:
    """What rows break, judged as a load or a push would, whatever `on_invalid` says; nothing is written.

    Args:
        source: The source.
        rows: Dicts, Arrow, pandas or polars; or a path or glob of files.
        zone: The IANA zone of `local(ts)`.
        directory: Where relative paths begin.

    Raises:
        DataError: The rows cannot be read, or lack a column.
    """
    schema = source.schema
    assert schema is not None  # noqa: S101 - applying froze it
    files = isinstance(rows, str | os.PathLike)
    batch = os.fspath(rows) if files else raw_table(rows, schema, f"rows for {source.name!r}")
    looked = dataclasses.replace(source, batch=batch, on_invalid="quarantine")
    found: list[pa.Table] = []
    for _ in read(looked, schema, columns=[], zone=zone, directory=directory, on_rejected=found.append):
        pass
    return [
        Failure(ordinal, rule, reason)
        for rejects in found
        for ordinal, reasons in zip(rejects.column("ordinal").to_pylist(), reasons_of(rejects), strict=True)
        for rule, reason in reasons
    ]


def validate_values(feature: str, rules: Sequence[Rule], of: Type, values: Any) -> list[Failure]:
    """What values of a feature break.

    Args:
        feature: Its name.
        rules: Its rules.
        of: The type of its values.
        values: A list, or an Arrow array.

    Raises:
        DataError: They are no values of the type.
        DefinitionError: A rule does not fit the type.
    """
    try:
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(list(values))
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = array.cast(of.arrow())
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"These are no values of {feature!r}, which is {of}: {' '.join(map(str, error.args))}.",
            asked=feature,
            remedy=f"Give a list of {of}.",
        ) from None
    faults = FeatureRules(feature, rules, of).faults(array)
    rejects = rejected(pa.record_batch({"value": array}), faults, 0)
    return [
        Failure(ordinal, rule, reason)
        for ordinal, reasons in zip(rejects.column("ordinal").to_pylist(), reasons_of(rejects), strict=True)
        for rule, reason in reasons
    ]
