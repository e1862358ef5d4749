"""`kill -9` in the middle of a replay: each mended row comes in once, none is lost, the others stay."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.crash import mended
from tests.crash.nursery import nursery
from tests.effort import SOAKING

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = 20 if SOAKING else 2
STEPS = None if SOAKING else 8
"""Drawn steps; all of them in `make soak`."""


@pytest.mark.soak
@pytest.mark.xdist_group("kill")
def test_a_replay_killed_anywhere_brings_each_mended_row_in_once(tmp_path: Path, seed: int) -> None:
    first = tmp_path / "first"
    mended.build(first)
    with mended.opened(first) as store:
        counts, waiting = mended.found(store)
    assert not counts
    assert sorted(waiting) == sorted(mended.EVERY)
    draw = random.Random(seed)
    kills, between = 0, 0
    with nursery() as process:

        def copied(number: int) -> Path:
            copy = tmp_path / str(number)
            shutil.copytree(first, copy)
            return copy

        life = process.child("replay", copied(0))
        assert life["steps"].count("after commit") >= 3
        steps = range(len(life["steps"]))
        deaths = [{"fatal": step} for step in (steps if STEPS is None else draw.sample(steps, STEPS))]
        deaths += [{"kill_after": draw.random() * life.seconds} for _ in range(MOMENTS)]
        for number, death in enumerate(deaths, start=1):
            directory = copied(number)
            kills += process.child("replay", directory, **death).killed
            with mended.opened(directory) as store:
                counts, waiting = mended.found(store)
                assert set(counts.values()) <= {1}, death
                assert sorted([*counts, *waiting]) == sorted(mended.EVERY), death
                between += 0 < len(counts) < len(mended.EVERY - mended.GIFTS)
                done = store.replay("orders")
                assert done[:4] == (
                    len(mended.EVERY) - len(mended.GIFTS) - len(counts),
                    0,
                    0,
                    len(mended.GIFTS),
                )
                counts, waiting = mended.found(store)
                assert counts == dict.fromkeys(mended.EVERY - mended.GIFTS, 1), death
                assert sorted(waiting) == sorted(mended.GIFTS), death
            shutil.rmtree(directory)
    assert kills >= len(deaths) - MOMENTS
    assert between
    print(f"{kills} replays killed, {between} of them half done")  # noqa: T201 - the figure to report
