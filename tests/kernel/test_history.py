"""History beyond drawn cases: parts, threads, and rows too far apart for one key."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace import agg
from headrace.kernel import point_in_time
from headrace.kernel.history import History, history
from headrace.testing.driving import answers_of
from headrace.windows import series
from tests.online.small import DAY, HOUR, NOON, Click, clicks, counting

YEAR_1, YEAR_9999 = -62_135_596_800_000_000, 253_402_300_799_999_999
VIEW = counting(
    [
        agg.count("n", windows=["1h", "all"]),
        agg.max("most", "amount", windows=["7d", "all"]),
        agg.last("newest", "amount", windows=["all"]),
        agg.last_k("amounts", "amount", k=3, windows=["all"]),
    ],
    event_id=None,
    dedup_horizon=None,
)


def ask(events, entity, asked, t, *, part=1 << 18, threads=1, progress=lambda _: None):
    codes, questions, instants = (np.array(each, dtype=np.int64) for each in (entity, asked, t))
    question = History(clicks(*events), codes, questions, instants)
    return answers_of(history(VIEW, VIEW.plan, question, threads, part, progress))


def one_by_one(events, entity, asked, t):
    """Each question with the events of its own entity only."""
    answers = {}
    for who, at in zip(asked, t, strict=True):
        mine = [event for event, owner in zip(events, entity, strict=True) if owner == who]
        for name, [answer] in ask(mine, [0] * len(mine), [0], [at]).items():
            answers.setdefault(name, []).append(answer)
    return answers


@pytest.mark.parametrize("late", [0, HOUR])
def test_events_of_many_entities_over_all_the_years_there_are(late, seed):
    """Entities and instants do not fit one key: rows are cut between entities."""
    shuffle = np.random.default_rng(seed)
    entity = shuffle.permutation(np.repeat(np.arange(40), 3)).tolist()
    times = shuffle.choice([YEAR_1, 0, NOON, YEAR_9999 - 2 * HOUR], 120).tolist()
    events = [Click(at, amount=place, known=at + late * (place % 2)) for place, at in enumerate(times)]
    asked = shuffle.integers(0, 42, 60).tolist()
    t = shuffle.choice([YEAR_1, 1, NOON + 1, YEAR_9999 - HOUR, YEAR_9999], 60).tolist()
    assert ask(events, entity, asked, t) == one_by_one(events, entity, asked, t)


@pytest.mark.parametrize(("part", "threads"), [(1, 1), (7, 2), (30, 3), (1000, 2)])
def test_parts_and_threads_do_not_show(part, threads, seed):
    shuffle = np.random.default_rng([seed, part])
    entity = np.repeat(np.arange(9), [40, 0, 1, 5, 90, 2, 3, 0, 20])
    events = [Click(NOON - int(shuffle.integers(10 * DAY)), amount=place) for place in range(len(entity))]
    asked = shuffle.integers(0, 11, 50)
    t = NOON - shuffle.integers(0, 12 * DAY, 50)
    heard = []
    found = ask(events, entity, asked, t, part=part, threads=threads, progress=heard.append)
    assert found == ask(events, entity, asked, t)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert (len(heard) > 1) == (part < 200)


def test_questions_without_events_and_events_without_questions():
    nobody = np.zeros(0, dtype=np.int64)
    assert ask([], nobody, [3, 0], [NOON, NOON])["n_all"] == [(0, "PRESENT", None)] * 2
    assert ask([Click(NOON)], [0], nobody, nobody)["n_all"] == []
    assert pa.types.is_int64(
        history(VIEW, VIEW.plan, History(clicks(), nobody, nobody, nobody))["n_1h"].values.type
    )


@pytest.mark.parametrize("great", [0, 50, 1000])
@pytest.mark.parametrize("entries", [1, 500, 1 << 22])
def test_how_many_questions_are_finished_at_a_time_does_not_show(entries, great, seed, monkeypatch):
    view = counting(
        [
            agg.count("n", windows=["1h", series("1d", n=3)]),
            agg.count("map", by="amount", max_keys=20, windows=["1d", "all"]),
            agg.mode("mode", "amount", windows=["1d", "7d"]),
            agg.top_k("top", "amount", k=3, windows=[series("1d", n=2)]),
            agg.quantile("median", "amount", q=0.5, windows=["1d"]),
            agg.distinct("different", "amount", windows=["all"]),
        ],
        event_id=None,
        dedup_horizon=None,
    )
    shuffle = np.random.default_rng([seed, entries, great])
    entity = np.repeat(np.arange(9), [40, 0, 1, 150, 90, 2, 3, 0, 20])
    ages = shuffle.integers(5 * DAY, size=len(entity))
    events = [
        Click(NOON - int(age), amount=int(shuffle.integers(40)), known=NOON - int(age) + HOUR * int(late))
        for age, late in zip(ages, shuffle.integers(0, 2, len(entity)), strict=True)
    ]
    asked, t = shuffle.integers(0, 11, 200), NOON - shuffle.integers(5 * DAY, size=200)
    question = History(clicks(*events), entity.astype(np.int64), asked, t)
    at_once = answers_of(history(view, view.plan, question))
    monkeypatch.setattr(point_in_time, "FIRST", 16)
    monkeypatch.setattr(point_in_time, "ENTRIES", entries)
    monkeypatch.setattr(point_in_time, "GREAT", great)
    assert answers_of(history(view, view.plan, question)) == at_once
    statuses = {status for name in ("map_all", "mode_1d") for _, status, _ in at_once[name]}
    assert statuses == {"PRESENT", "INVALID", "NOT_FOUND"}
