"""An online answer as an Arrow stream: typed columns, and two more for all statuses and times."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, STATUS_NAMES
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.kernel.columns import Column, Columns

__all__ = ["STATUS", "TIMESTAMP", "to_stream"]

STATUS, TIMESTAMP = "__status", "__event_timestamp"
"""The columns that hold, for each entity, the statuses and the times of all features in their order."""


def to_stream(
    table: pa.Table,
    columns: Columns,
    references: Iterable[str],
    as_of: str,
    overran: Mapping[str, int] = MappingProxyType({}),
) -> bytes:
    """The answer in Arrow's streaming format.

    Columns are the entities', then the features', then `__status` (a list of uint8, one for each feature:
    places in `statuses`) and `__event_timestamp` (a list of instants). The schema's metadata is JSON:

    - `as_of`, `feature_names`, `reasons` and `reasons_of_rows` as the JSON document has them: why values of a
      feature are INVALID, and feature -> row -> reason where its rows have several,
    - `statuses`: the names of the statuses,
    - `features`: what each feature is, with its version,
    - `overran`: function -> microseconds, of those that were running at the deadline.

    Args:
        table: The entities' columns, then the features'.
        columns: The features.
        references: What each feature is, `view@version:feature`.
        as_of: The instant, RFC 3339.
        overran: The functions that were running at the deadline, and the microseconds they took.
    """
    held = list(columns.values())
    status = np.array([each.status for each in held], dtype=np.uint8).T.ravel()
    newest = np.array([each.newest for each in held], dtype=np.int64).T.ravel()
    times = pa.array(newest, type=pa.timestamp("us", tz="UTC"), mask=newest == FOREVER_AGO)
    beside = [
        pa.FixedSizeListArray.from_arrays(pa.array(status), len(held)),
        pa.FixedSizeListArray.from_arrays(times, len(held)),
    ]
    reasons: dict[str, str] = {}
    of_rows: dict[str, dict[int, str]] = {}
    if (status == INVALID).any():
        reasons = {name: each.reason for name, each in columns.items() if each.reason and _spoiled(each)}
        of_rows = {name: dict(each.reasons) for name, each in columns.items() if each.reasons}
    about = {
        "as_of": as_of,
        "feature_names": table.column_names,
        "features": list(references),
        "statuses": STATUS_NAMES,
        "reasons": reasons,
        "reasons_of_rows": of_rows,
        "overran": dict(overran),
    }
    names = [*table.column_names, STATUS, TIMESTAMP]
    whole = pa.table([*table.columns, *beside], names=names)
    whole = whole.replace_schema_metadata(
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _spoiled(column: Column) -> bool:
    return bool((np.asarray(column.status) == INVALID).any())
