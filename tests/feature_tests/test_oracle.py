"""Feature tests of drawn logs: what the oracle says holds, and the events shown are those that it counts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import agg
from headrace.definitions.span import Span
from headrace.testing.feature_tests.case import FeatureTest
from headrace.testing.feature_tests.trial import Trial
from headrace.testing.generate import Case, cases
from headrace.windows import Series
from tests.effort import cases as effort

pytestmark = pytest.mark.soak


def definition(case: Case, stream: hr.Push | None) -> hr.AggregateView:
    keys = {name: str(case.schema[name]) for name in case.key_columns} or None
    source = hr.EventSource(
        "log",
        schema=case.schema,
        timestamp=case.timestamp,
        available_at=case.available_at,
        event_id=case.event_id,
        columns=dict(case.columns),
        serving_delay=Span(case.serving_delay),
        stream=stream,
    )
    return hr.AggregateView(
        "view",
        entity=hr.Entity("who", join_keys=keys),
        source=source,
        features=case.features,
        timezone=case.zone,
    )


def slack(found: Any) -> float:
    """The largest slack of an answer; a series has one for each window, a map for each key."""
    if isinstance(found, dict):
        return max(map(slack, found.values()), default=0.0)
    if isinstance(found, (list, tuple)):
        return max(map(slack, found), default=0.0)
    return float(found or 0)


def expected(case: Case) -> list[dict[str, Any]]:
    rows = []
    for asked, answers in zip(case.spine, case.expected(), strict=True):
        row = {name: asked[name] for name in case.key_columns} | {"at": asked["t"]}
        for name, answer in answers.items():
            row[f"view:{name}"] = long = {"status": answer.status}
            if slack(answer.slack) < math.inf:  # else no double is near enough to be wrong, NaN included
                long |= {"value": answer.value, "tolerance": slack(answer.slack)}
        rows.append(row)
    return rows


@settings(max_examples=effort(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(), streamed=st.booleans())
def test_the_oracles_answers_are_what_both_paths_say(case: Case, streamed: bool) -> None:  # noqa: FBT001 - drawn by name
    rows = expected(case)
    events = [{name: event[name] for name in case.schema} for event in case.events]
    # copies of an event on different days count twice online until the next load
    test = FeatureTest("drawn", events={"log": events}, expected=rows, online=case.event_id is None)
    with Trial([definition(case, hr.Push() if streamed else None)], Path()) as trial:
        outcome = trial.run(test)
    assert outcome.told() == ""
    assert outcome.values == sum(len(row) for row in case.expected())
    assert (outcome.offline_only == "") == (case.event_id is None and not case.serving_delay)


@settings(max_examples=effort(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=cases())
def test_the_events_shown_to_count_are_as_many_as_a_count_says(drawn: Case) -> None:
    every = {each.suffix: each for feature in drawn.features for each in feature.windows}
    windows = [each for each in every.values() if not isinstance(each, Series)] or ["7d"]
    wheres = [None, *dict.fromkeys(each.where for each in drawn.features if each.where is not None)]
    counts = [agg.count(f"count{place}", where=each, windows=windows) for place, each in enumerate(wheres)]
    case = replace(drawn, features=counts)
    events = [{name: event[name] for name in case.schema} for event in case.events]
    wrong = [
        {name: {"value": -1} if ":" in name else value for name, value in row.items()}
        for row in expected(case)
    ]
    with Trial([definition(case, None)], Path()) as trial:
        outcome = trial.run(FeatureTest("drawn", events={"log": events}, expected=wrong, online=False))
    answers = [answer.value for row in case.expected() for answer in row.values()]
    assert len(outcome.failures) == len(answers)
    assert [sum(each.counts for each in failure.events) for failure in outcome.failures] == answers
    assert all(each.counts or each.why for failure in outcome.failures for each in failure.events)
