"""The as-of join equals the oracle's latest values on drawn rows."""

from __future__ import annotations

import collections

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from headrace.kernel.entities import Numbers
from headrace.kernel.latest import created_instants, latest_rows, sort_latest
from headrace.schema import Schema
from headrace.testing.generate_latest import LatestCase, latest_cases
from tests.effort import cases


def newest(case: LatestCase) -> list[dict[str, object] | None]:
    """The row the kernel finds for each question, before its age is judged."""
    log = case.accepted()[::-1]
    table = pa.table({n: pa.array([e.row[n] for e in log], of.arrow()) for n, of in case.schema.items()})
    asked = {
        key: pa.array([row[key] for row in case.spine], case.schema[key].arrow()) for key in case.key_columns
    }
    asked["t"] = pa.array([row["t"] for row in case.spine], pa.int64())
    keys = Schema({key: case.schema[key] for key in case.key_columns})
    numbers = Numbers(pa.table(asked), keys)
    found, entity = numbers.of(table), numbers.asked
    wanted = np.flatnonzero(found >= 0)
    table, found = table.take(pa.array(wanted)), found[wanted]
    time = np.array([log[place].time for place in wanted], dtype=np.int64)
    known = np.array([log[place].known for place in wanted], dtype=np.int64) + case.serving_delay
    created = created_instants(table, case.created_at) if case.created_at else None
    by = sort_latest(found, time, created, known, table, case.schema)
    late = bool((known != time).any())
    t = np.array([row["t"] for row in case.spine], dtype=np.int64)
    places = latest_rows(found[by], time[by], known[by] if late else None, entity, t)
    return [log[wanted[by[place]]].row if place >= 0 else None for place in places]


@pytest.mark.soak
@settings(max_examples=cases(200), suppress_health_check=list(HealthCheck))
@given(latest_cases())
def test_the_newest_row_is_the_oracles(case: LatestCase) -> None:
    for row, expected in zip(newest(case), case.expected(), strict=True):
        for name, answer in expected.items():
            if answer.status == "NOT_FOUND":
                assert row is None
                continue
            assert row is not None
            assert row[case.timestamp] == answer.event_time
            if answer.status != "OUTSIDE_MAX_AGE":
                assert row[name] == answer.value


def test_latest_cases_hold_what_they_claim() -> None:
    found: collections.Counter[str] = collections.Counter()

    @settings(
        max_examples=300, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(latest_cases())
    def collect(case: LatestCase) -> None:
        found.update({answer.status for row in case.expected() for answer in row.values()})
        log = case.accepted()
        places = [(event.time, event.known, event.row.get("created")) for event in log]
        found["ties"] += len(set(places)) < len(places)
        found["late"] += any(event.known > event.time for event in log)
        found["null created_at"] += any("created" in e.row and e.row["created"] is None for e in log)

    collect()
    wanted = ("PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "ties", "late", "null created_at")
    assert {name: found[name] for name in wanted if found[name] < 20} == {}
