"""Calendar windows at the very instants at which local periods begin, one instant or many at once."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import numpy as np
import pytest

from headrace.clock import DAY, HOUR
from headrace.windows import calendar, edges

ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"]
FIRSTS = {"day": (2024, 3, 5), "week": (2024, 3, 4), "month": (2024, 3, 1)}
BEFORE = {"day": (2024, 3, 4), "week": (2024, 2, 26), "month": (2024, 2, 1)}


def midnight(year, month, day, zone):
    return int(dt.datetime(year, month, day, tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()) * 1_000_000


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", FIRSTS)
def test_a_period_begins_at_its_first_instant(unit, zone):
    begin, before = midnight(*FIRSTS[unit], zone), midnight(*BEFORE[unit], zone)
    instants = [begin - 1, begin, begin + 1, begin + HOUR]
    assert [edges(calendar(unit), t, zone) for t in instants] == [(before, None)] + [(begin, None)] * 3
    starts, ends = edges(calendar(unit), np.array(instants), zone)
    assert (starts.tolist(), ends) == ([before, begin, begin, begin], None)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", FIRSTS)
def test_the_period_before_ends_where_the_running_one_begins(unit, zone):
    begin, before = midnight(*FIRSTS[unit], zone), midnight(*BEFORE[unit], zone)
    assert edges(calendar(unit, 1), begin, zone) == (before, begin)
    assert edges(calendar(unit, 1), begin - 1, zone)[1] == before
    starts, ends = edges(calendar(unit, 1), np.array([begin - 1, begin, begin + HOUR]), zone)
    assert (starts[1:].tolist(), ends.tolist()) == ([before, before], [before, begin, begin])


def test_a_calendar_of_no_instants_is_empty():
    nothing = np.zeros(0, dtype=np.int64)
    starts, ends = edges(calendar("day", 2), nothing)
    assert (len(starts), len(ends)) == (0, 0)
    assert edges(calendar("week"), 3 * DAY)[0] == -3 * DAY, "1970 began on a Thursday"
