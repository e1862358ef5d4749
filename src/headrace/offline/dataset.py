"""What `get_historical_features` answers: the spine's rows with their features, and how they were made."""

from __future__ import annotations

import importlib.metadata
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from headrace.clock import format_instant
from headrace.errors import DataError, StoreError
from headrace.kernel.columns import STATUS_NAMES
from headrace.rendering import html_table, plain_table
from headrace.tables import frame_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.offline.spine import Spine

__all__ = [
    "MANIFEST_KEY",
    "HistoricalFeatures",
    "Origin",
    "OutputFeature",
    "count_statuses",
    "headrace_version",
    "spine_facts",
]

MANIFEST_KEY = b"headrace.manifest"
"""Where `to_parquet` keeps the manifest: JSON in the file's own metadata."""

_SHOWN_ROWS = 10
_SHOWN_COLUMNS = 12
_SHOWN_WIDTH = 32


@dataclass(frozen=True)
class OutputFeature:
    """A column of features.

    Attributes:
        column: Its name in the table.
        feature: What it resolved to, `view@version:feature` or an on-demand feature's name.
        type: The type of its values.
        fingerprint: The semantic fingerprint of the definition it comes from.
    """

    column: str
    feature: str
    type: str
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Origin:
    """How a table of features was made.

    Attributes:
        features: The columns of features, in the table's order.
        spine: The spine.
        statuses: For each column of features, n uint8, places in `STATUS_NAMES`.
        sources: For each source, what it held: JSON values (batch, files, rows, newest event time).
        quarantined: How many rows were left out, by `source: reason`.
        engine: What computed it.
        created_at: When, microseconds UTC.
        service: The service that was asked for, `name@version`; None where features were listed.
        broken: For each column whose feature has rules, how many values break each.
    """

    features: Sequence[OutputFeature]
    spine: Spine
    statuses: Mapping[str, Array]
    sources: Mapping[str, Mapping[str, Any]]
    quarantined: Mapping[str, int]
    engine: str
    created_at: int
    service: str | None = None
    broken: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """The facts as JSON values; hashes the spine."""
        return {
            "headrace_version": headrace_version(),
            "created_at": format_instant(self.created_at),
            "engine": self.engine,
            "service": self.service,
            "features": [dict(vars(each)) for each in self.features],
            "spine": spine_facts(self.spine),
            "sources": {name: dict(facts) for name, facts in self.sources.items()},
            "statuses": {name: count_statuses(each) for name, each in self.statuses.items()},
            "quarantined": dict(self.quarantined),
            "rules": {name: dict(each) for name, each in self.broken.items()},
        }


@dataclass(frozen=True, eq=False, repr=False)
class HistoricalFeatures:
    """The spine's columns, then the features; the spine's order, row count and duplicates kept.

    Attributes:
        table: The rows.
        origin: How they were made.
    """

    table: pa.Table
    origin: Origin = field(repr=False)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the rows were made: features and their fingerprints, spine, sources, statuses, quarantine."""
        return self.origin.manifest()

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame.

        Raises:
            DataError: pandas is not installed.
        """
        return frame_of(self.table)

    def to_df(self) -> Any:
        """The rows as a pandas DataFrame, by the name Feast gives this."""
        return self.to_pandas()

    def to_polars(self) -> Any:
        """The rows as a polars DataFrame.

        Raises:
            DataError: polars is not installed.
        """
        try:
            import polars as pl
        except ImportError:
            raise DataError(
                "polars is not installed.", asked="polars", remedy="Run: pip install polars."
            ) from None
        return pl.from_arrow(self.table)

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows and the manifest into one Parquet file; it appears whole or not at all.

        Args:
            path: The file; one that is there is replaced.

        Returns:
            The file's path.

        Raises:
            StoreError: The file cannot be written there.
        """
        target = Path(path).expanduser()
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        note = {MANIFEST_KEY: json.dumps(self.manifest).encode()}
        # In one piece: how rows happen to lie in memory must not show in the file.
        table = self.table.combine_chunks()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **note})
        try:
            with part.open("wb") as file:
                parquet.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"{target} cannot be written: {error}.",
                asked=target,
                remedy="Choose another place, or make room.",
            ) from None
        finally:
            part.unlink(missing_ok=True)
        return target

    def __len__(self) -> int:
        """How many rows."""
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        """The size and the first rows."""
        return f"{self._size()}\n{plain_table(*self._shown(), width=_SHOWN_WIDTH)}{self._rest()}"

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        table = html_table(*self._shown(), width=_SHOWN_WIDTH)
        return f"<p>{self._size()}</p>{table}<p>{self._rest().strip()}</p>"

    def _size(self) -> str:
        return f"{type(self).__name__}: {len(self)} rows, {len(self.origin.features)} features"

    def _shown(self) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """The first rows and columns; of a wide table the last columns, the features, matter more."""
        names = list(self.table.column_names)
        if len(names) > _SHOWN_COLUMNS:
            kept = _SHOWN_COLUMNS // 2
            names = [*names[:kept], *names[-kept:]]
        columns = self.table.select(names).slice(0, _SHOWN_ROWS).to_pydict(maps_as_pydicts="strict")
        return names, zip(*columns.values(), strict=True)

    def _rest(self) -> str:
        more_rows = len(self) - _SHOWN_ROWS
        more_columns = self.table.num_columns - _SHOWN_COLUMNS
        words = [f"{more_rows} more rows"] * (more_rows > 0) + [f"{more_columns} more columns"] * (
            more_columns > 0
        )
        return f"\n({', '.join(words)})" if words else ""


def count_statuses(status: Array) -> dict[str, int]:
    """How many rows have each status, those that occur.

    Args:
        status: n uint8, places in `STATUS_NAMES`.
    """
    counts = np.bincount(status, minlength=len(STATUS_NAMES))
    return {name: int(count) for name, count in zip(STATUS_NAMES, counts, strict=True) if count}


def spine_facts(spine: Spine) -> dict[str, Any]:
    """What the manifest says of a spine; hashes it."""
    t = spine.t
    return {
        "rows": len(spine),
        "sha256": spine.digest(),
        "columns": spine.table.column_names,
        "timestamp": spine.timestamp,
        "first": format_instant(int(t.min())) if len(t) else None,
        "last": format_instant(int(t.max())) if len(t) else None,
    }


def headrace_version() -> str:
    """The version that is installed."""
    try:
        return importlib.metadata.version("headrace")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
