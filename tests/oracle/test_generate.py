"""Drawn cases are as nasty as they claim: what the suites built on them try is counted here."""

from __future__ import annotations

import collections
import dataclasses

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from headrace import agg
from headrace.testing.generate import MOST_EVENTS, Case, cases, dimensions, window_kind
from headrace.testing.nasty import CONDITIONS

pytestmark = pytest.mark.xdist_group("drawn")  # so many cases take half a minute: one process draws them

WITHOUT_KEY = {
    "active_days", "active_hours", "distinct", "entropy", "first_k", "histogram", "last_distinct_k", "last_k",
    "mode", "quantile", "sessions", "streak", "top_k",
}  # fmt: skip
"""Kinds that cannot be taken by a key."""

QUIET = settings(
    derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def drawn(n: int) -> list[Case]:
    found: list[Case] = []

    @settings(QUIET, max_examples=n)
    @given(cases())
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


@pytest.fixture(scope="module")
def many() -> list[Case]:
    return drawn(600)


def test_every_aggregation_window_and_option_is_drawn_at_least_ten_times(many):
    counts = collections.Counter(each for case in many for each in set(dimensions(case)))
    windows = ["sliding", "shifted", "series", "calendar", "earlier", "lifetime"]
    columns = {
        kind: "column" in {field.name for field in dataclasses.fields(made)}
        for kind, made in agg.CATALOGUE.items()
    }
    wanted = [
        (kind, window, option)
        for kind, made in agg.CATALOGUE.items()
        for window in (windows if made.windowed else ["lifetime"])
        for option in ("plain", "where", "known", "event_id", "serving_delay", "decimal", "by")
        if (option != "decimal" or columns[kind]) and (option != "by" or kind not in WITHOUT_KEY)
    ]
    assert {each: counts[each] for each in wanted if counts[each] < 10} == {}
    assert {each for each in counts if each not in wanted} == set()


def test_cases_are_small_and_hold_what_is_asked(many):
    names = [len({f.feature_name(w) for f in c.features for w in f.windows}) for c in many]
    assert [sum(len(f.windows) for f in c.features) for c in many] == names
    assert all(len(case.events) <= MOST_EVENTS for case in many)
    assert all(set(case.schema) <= set(row) for case in many for row in case.events)
    assert all({*case.key_columns, "t"} == set(row) for case in many for row in case.spine)
    assert all(case.spine for case in many)


def test_logs_hold_ties_copies_late_future_null_and_nan_rows(many):
    traits = collections.Counter()
    for case in many:
        times = [row["ts"] for row in case.events if row["ts"] is not None]
        log = case.accepted()
        received = case.available_at and [(row["ts"], row[case.available_at]) for row in case.events]
        lags = [at - ts for ts, at in received or [] if ts is not None and at is not None]
        traits["ties"] += len(set(times)) < len(times)
        traits["equal rows"] += len({event.content for event in log}) < len(log)
        traits["copies"] += len(case.counted()) < len(log)
        traits["late"] += any(lag > 0 for lag in lags)
        traits["years late"] += any(lag > 10**14 for lag in lags)
        traits["from the future"] += any(lag < -300_000_000 for lag in lags)
        traits["null keys"] += any(row[key] is None for row in case.events for key in case.key_columns)
        traits["null times"] += len(times) < len(case.events)
        traits["null ids"] += bool(case.event_id) and any(row[case.event_id] is None for row in case.events)
        traits["null values"] += any(None in event.row.values() for event in log)
        traits["before 1970"] += any(time < 0 for time in times)
        traits["no events"] += not log
        traits["a hot key"] += len(log) > 8 and len({e.row.get("user") for e in log}) <= 2
        if "score" in case.schema:
            soiled = case.table(raw=True).column("score").to_pylist()
            traits["nan"] += any(each is not None and each != each for each in soiled)  # noqa: PLR0124
            traits["negative zero"] += "-0.0" in map(str, soiled)
        traits["equal questions"] += len({str(row) for row in case.spine}) < len(case.spine)
        traits["null question"] += any(None in row.values() for row in case.spine)
        instants = {event.time for event in log} | {event.known for event in log}
        traits["asked at an event"] += any(row["t"] in instants for row in case.spine)
    assert {trait: n for trait, n in traits.items() if n < 9} == {}
    assert len(traits) == 18


def test_windows_are_neither_mostly_empty_nor_mostly_full():
    found = collections.Counter()
    for case in drawn(120):
        for row in case.expected():
            for feature in case.features:
                for window in feature.windows:
                    answer = row[feature.feature_name(window)]
                    found[window_kind(window), answer.event_time is None] += 1
                    found[answer.status] += 1
    for kind in ("sliding", "shifted", "series", "calendar", "earlier", "lifetime"):
        share = found[kind, False] / (found[kind, False] + found[kind, True])
        assert 0.1 < share < 0.9, (kind, share)
    assert all(found[status] > 20 for status in ("PRESENT", "NULL_VALUE", "NOT_FOUND", "INVALID"))


def test_case_tables_are_the_log_in_arrow(many):
    for case in many[:20]:
        assert case.table().schema.names == list(case.schema)
        assert case.table().num_rows == len(case.events)
        assert case.spine_table("at").column("at").cast("int64").to_pylist() == [
            row["t"] for row in case.spine
        ]


def test_expressions_mean_in_sql_what_they_mean_in_python(many):
    with duckdb.connect() as connection:
        for case in many[:150]:
            wanted = {sql: sql for sql, each in CONDITIONS.items() if each.reads(case.schema)} | case.columns
            log = case.table()
            connection.register("log", log)
            for name, sql in wanted.items():
                values = connection.execute(f"select {sql} from log").fetchall()
                assert [value for (value,) in values] == [row[name] for row in case.events], sql
            connection.unregister("log")
