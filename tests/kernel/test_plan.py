"""Plans: measures and spans are shared, and a part of a plan answers as the whole does."""

from __future__ import annotations

import numpy as np
import pytest

from headrace import agg
from headrace.aggregations.count import Counting
from headrace.kernel.events import condition_column, rows_of_events
from headrace.kernel.plan import PRESENCE, compile_view
from headrace.kernel.point_in_time import features_at
from headrace.testing.driving import answers_of
from headrace.windows import series
from tests.online.small import NOON, SCHEMA, Click, clicks

FEATURES = [
    agg.count("n", windows=["1h", "7d"]),
    agg.count("big", where="amount > 5", windows=["1h"]),
    agg.count("bought", where="item = 'b'", windows=["1h"]),
    agg.mean("mean", "amount", windows=["7d", series("1h", 2)]),
    agg.sum("total", "amount", windows=["1h"]),
    agg.rate("share", numerator="big", denominator="n", windows=["1h"], prior=(1, 1)),
    agg.last_k("items", "item", k=2, timestamps=True, windows=["1h", "7d"]),
    agg.max("most", "amount", where="amount > 5", windows=["all"]),
]
PLAN = compile_view(FEATURES, SCHEMA)
EVENTS = [Click(NOON - 60_000_000 * n, amount=n, item="ab"[n % 2]) for n in range(80)]
VERDICTS = {
    "amount > 5": [event.amount > 5 for event in EVENTS],
    "item = 'b'": [event.item == "b" for event in EVENTS],
}


def answers(plan):
    events = clicks(*EVENTS)
    for where, verdict in VERDICTS.items():
        events = events.append_column(condition_column(where), [verdict])
    rows = rows_of_events(plan, events, np.zeros(len(EVENTS), np.int64), SCHEMA, "event")
    return answers_of(features_at(plan, rows, np.array([0, 1]), np.array([NOON, NOON])))


def test_measures_and_spans_are_kept_once():
    assert PLAN.measures[0] == PRESENCE
    counting = [m for m in PLAN.measures if isinstance(m.algebra, Counting)]
    assert len(counting) == 4, "n, big and bought; and how many amounts there are"
    assert len(PLAN.measures) == len(set(PLAN.measures)) == 1 + 4 + 3
    assert len(PLAN.spans) == len(set(PLAN.spans)) == 4
    assert PLAN.conditions == ("amount > 5", "item = 'b'")
    assert PLAN.inputs == ("amount", "item")


NAMES = [name for feature in PLAN.features for name in feature.names]


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_alone_is_the_feature_among_others(name):
    whole = answers(PLAN)
    for part in (PLAN.only([name]), PLAN.only([name]).trimmed()):
        alone = answers(part)
        assert name in alone
        assert alone == {each: whole[each] for each in alone}


def test_a_part_of_a_plan_answers_what_is_asked_only():
    assert list(answers(PLAN.only(["items_1h__ts"]))) == ["items_1h", "items_1h__ts"]
    assert list(answers(PLAN.only(["n_7d", "most_all"]).trimmed())) == ["n_7d", "most_all"]
    assert len(PLAN.only(["n_7d"]).trimmed().measures) == 2, "the count, and whether there is an event"
    assert PLAN.only(["n_7d"]).measures == PLAN.measures, "stored records have them all"


def test_what_reads_the_order_of_events_says_so():
    assert PLAN.needs_order
    assert not PLAN.only(["n_7d"]).trimmed().needs_order
    assert PLAN.only(["items_1h"]).trimmed().needs_order
