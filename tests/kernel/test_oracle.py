"""The kernel equals the oracle, in both of its forms, on drawn logs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.kernel.entities import Numbers
from headrace.kernel.events import rows_of_events
from headrace.kernel.history import History, history
from headrace.kernel.streaming import StreamingKernel
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import Case, cases
from tests.effort import cases as effort

pytestmark = pytest.mark.soak


@settings(max_examples=effort(200), suppress_health_check=list(HealthCheck))
@given(case=cases(), part=st.sampled_from([1, 4, 1 << 18]))
def test_whole_columns_equal_the_oracle(case: Case, part: int) -> None:
    binding = bind_case(case)
    events = clean_events(case, binding, case.accepted())
    numbers = Numbers(case.spine_table(), binding.keys)
    found, asked = numbers.of(events), numbers.asked
    wanted = found >= 0
    t = np.array([row["t"] for row in case.spine], dtype=np.int64)
    question = History(events.filter(pa.array(wanted)), found[wanted], asked, t, case.serving_delay)
    columns = history(binding, binding.plan, question, part=part)
    assert differences(case.expected(), answers_of(columns)) == []


@settings(max_examples=effort(120), suppress_health_check=list(HealthCheck))
@given(case=cases(), sizes=st.lists(st.integers(1, 12), min_size=1))
def test_the_streaming_form_equals_the_oracle(case: Case, sizes: list[int]) -> None:
    """Events and questions in one stream sorted by (entity, instant), cut into batches anywhere."""
    binding = bind_case(case)
    events = clean_events(case, binding, case.counted())
    numbers = Numbers(case.spine_table(), binding.keys)
    found, asked = numbers.of(events), numbers.asked
    t = np.array([row["t"] for row in case.spine], dtype=np.int64)
    known = events.column("__known").to_numpy() + case.serving_delay
    items = sorted(
        [
            (entity, at, 0, place)
            for place, (entity, at) in enumerate(zip(asked.tolist(), t.tolist(), strict=True))
        ]
        + [
            (e, at, 1, place)
            for place, (e, at) in enumerate(zip(found.tolist(), known.tolist(), strict=True))
            if e >= 0
        ]
    )
    kernel = StreamingKernel(binding.plan)
    answers: dict[str, list[object]] = {}
    order: list[int] = []
    start = 0
    while start < len(items):
        size = sizes[start % len(sizes)]
        batch = items[start : start + size]
        start += size
        mine = np.array([place for _, _, kind, place in batch if kind], dtype=np.int64)
        queries = np.array([place for _, _, kind, place in batch if not kind], dtype=np.int64)
        rows = rows_of_events(
            binding.plan,
            events.take(pa.array(mine)),
            found[mine],
            case.schema,
            case.event_id,
            serving_delay=case.serving_delay,
            deduplicated=True,
        )
        columns = answers_of(kernel.process(rows, asked[queries], t[queries]))
        order += queries.tolist()
        for name, values in columns.items():
            answers.setdefault(name, []).extend(values)
    back = sorted(range(len(order)), key=order.__getitem__)
    assert differences(case.expected(), {n: [v[i] for i in back] for n, v in answers.items()}) == []  # type: ignore[misc]
