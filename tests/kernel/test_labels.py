"""Labels equal their oracle, on drawn touches and conversions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from headrace.kernel.attribution import Questions, labels_of
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.entities import Numbers, key_column
from headrace.retrieval.bind_label import bind_label
from headrace.testing.generate_labels import LabelCase, label_cases
from headrace.testing.oracle import accepted
from tests.effort import cases as effort

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.label_binding import EventsBinding

pytestmark = pytest.mark.soak


def clean(side: EventsBinding, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Events as an engine hands them to the kernel."""
    source = side.source
    log = accepted(rows, list(side.keys), source.timestamp, side.schema, source.available_at, side.event_id)
    columns: dict[str, Any] = {
        TIME: pa.array([event.time for event in log], pa.int64()),
        KNOWN: pa.array([event.known for event in log], pa.int64()),
    }
    for name, of in side.schema.items():
        columns[name] = pa.array([event.row[name] for event in log], of.arrow())
    for name, text in side.expressions.items():
        columns[name] = pa.array([event.row[text] for event in log], pa.bool_())
    return pa.table(columns)


@settings(max_examples=effort(250), suppress_health_check=list(HealthCheck))
@given(case=label_cases())
def test_labels_equal_the_oracle(case: LabelCase) -> None:
    binding = bind_label(case.label, "UTC")
    spine = case.spine_table()
    numbers = Numbers(spine, binding.keys)
    whole = key_column(spine, binding.keys).is_valid().to_numpy(zero_copy_only=False)
    t = np.array([row["t"] for row in case.spine], dtype=np.int64)
    named = spine["event"].combine_chunks() if case.named else None
    tables = [clean(binding.events, case.conversions)]
    if binding.touches is not None:
        tables.append(clean(binding.touches, case.touches))
    events, *touches = [(table, numbers.of(table)) for table in tables]
    asked = Questions(np.where(whole, numbers.asked, -1), t, named)
    found = labels_of(binding, events, touches[0] if touches else None, asked, case.as_of)
    assert case.differences(found) == []
