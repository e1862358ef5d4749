"""`kill -9` again and again while a month is loaded day by day: it comes to the same as one load of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from headrace.clock import DAY, HOUR
from tests.crash.nursery import nursery
from tests.effort import SOAKING
from tests.project import harvest
from tests.project.harvest import END

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 50 if SOAKING else 8


@pytest.mark.soak
def test_a_month_loaded_by_processes_that_die_is_the_month(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    rows = harvest.log(seed)
    daily, once = harvest.made(tmp_path / "daily"), harvest.made(tmp_path / "once")
    for directory, days in ((daily, 1), (once, harvest.DAYS)):
        for day in range(days):
            harvest.write(directory, day, rows)
        with harvest.opened(directory) as store:
            store.apply([harvest.spending, harvest.newest])
    kills = 0
    with nursery() as process:
        while kills < KILLS:
            # a step of the first or second load, so that fifty deaths find the month still unfinished
            life = process.child("harvest_days", daily, seed, fatal=draw.randrange(4, 60))
            assert life.killed, "the month is done before all deaths are died"
            kills += 1
        while process.child("harvest_days", daily, seed, kill_after=draw.uniform(0.05, 3.0)).killed:
            kills += 1
    with harvest.opened(daily) as store, harvest.opened(once) as whole:
        assert harvest.loaded_days(store) == harvest.DAYS
        whole.materialize(end=END)
        for at in (END, END + HOUR, END + 10 * DAY):
            assert harvest.answers(store, at) == harvest.answers(whole, at)
    print(f"{kills} loads killed")  # noqa: T201 - the figure to report
