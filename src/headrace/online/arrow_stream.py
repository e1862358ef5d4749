"""An online answer as an Arrow stream: typed columns, statuses and times beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, STATUS_NAMES
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from headrace.kernel.columns import Columns

__all__ = ["STATUS", "TIMESTAMP", "to_stream"]

STATUS, TIMESTAMP = "__status", "__event_timestamp"
"""What the names of a feature's companions end in."""

_NAMES = pa.array(STATUS_NAMES)


def to_stream(table: pa.Table, columns: Columns, as_of: str) -> bytes:
    """The answer in Arrow's streaming format.

    Columns are the entities', then the features', then each feature's `{name}__status` and
    `{name}__event_timestamp`. The schema's metadata has `as_of`, `feature_names` and `reasons` as the JSON
    document has them.

    Args:
        table: The entities' columns, then the features'.
        columns: The features.
        as_of: The instant, RFC 3339.
    """
    names = table.column_names
    reasons = {}
    for name, column in columns.items():
        status = np.asarray(column.status, dtype=np.int8)
        newest = np.asarray(column.newest)
        times = pa.array(newest, type=pa.timestamp("us", tz="UTC"), mask=newest == FOREVER_AGO)
        table = table.append_column(name + STATUS, pa.DictionaryArray.from_arrays(pa.array(status), _NAMES))
        table = table.append_column(name + TIMESTAMP, times)
        if column.reason and (status == INVALID).any():
            reasons[name] = column.reason
    about = {"as_of": as_of, "feature_names": json.dumps(names), "reasons": json.dumps(reasons)}
    table = table.replace_schema_metadata(about)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream
