"""`kill -9` in the middle of a load or of pushes: answers stay whole, and nothing is lost or doubled."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.crash import ledger
from tests.crash.nursery import Life, Nursery, nursery
from tests.effort import SOAKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("kill")]  # they share a scene

MOMENTS = 200 if SOAKING else 6
"""Drawn moments for each of the two works."""

STEPS = None if SOAKING else 3
"""Drawn steps for each, besides some that always are; all of them in `make soak`."""


class Scene:
    """A project to be killed, and what is right about it."""

    def __init__(self, nursery: Nursery, directory: Path) -> None:
        self.nursery = nursery
        self._directory = directory
        self._copies = 0
        nursery.child("build", directory / "first")
        right = nursery.child("history", directory / "history")["answers"]
        self.before, self.after_load = right["before"], right["after load"]
        self.after_pushes = [right[f"{count} pushes"] for count in range(ledger.BATCHES + 1)]
        self.loaded = nursery.child("load_again", self.copy())["contents"]
        self.pushed = nursery.child("send_again", self.copy())["contents"]
        self.load = nursery.child("materialize", self.copy())
        self.push = nursery.child("push", self.copy())

    def copy(self) -> Path:
        """The project anew, as it was before."""
        self._copies += 1
        copy = self._directory / str(self._copies)
        shutil.copytree(self._directory / "first", copy)
        return copy


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with nursery() as process:
        yield Scene(process, tmp_path_factory.mktemp("ledger"))


def test_the_scene_tells_old_from_new(scene: Scene) -> None:
    assert scene.before != scene.after_load
    steps = [scene.after_pushes[count] != scene.after_pushes[count + 1] for count in range(ledger.BATCHES)]
    assert all(steps)
    assert scene.after_pushes[0] == scene.before
    assert scene.load["steps"].count("after commit") >= 6
    assert scene.push["steps"].count("after commit") == ledger.BATCHES


def deaths(life: Life, seed: int) -> list[dict[str, Any]]:
    """How a work is to be killed: at steps, and at moments over the time it takes and a little more."""
    draw = random.Random(seed)
    names = life["steps"]
    moments = [draw.random() * life.seconds * 1.05 for _ in range(MOMENTS)]
    chosen = range(len(names))
    if STEPS is not None:
        # Switched, but what nobody reads any more is still there: of all steps the one with most to clear up.
        switched = [names.index("before delete_prefix")] if "before delete_prefix" in names else []
        chosen = sorted({0, *switched, len(names) - 1, *draw.sample(chosen, STEPS)})
    return [*({"fatal": step} for step in chosen), *({"kill_after": moment} for moment in moments)]


def test_a_load_killed_anywhere_changes_nothing_or_all_of_a_view(scene: Scene, seed: int) -> None:
    kills, states = 0, set()
    for death in deaths(scene.load, seed):
        directory = scene.copy()
        kills += scene.nursery.child("materialize", directory, **death).killed
        if kills % 2:  # what died may die again
            kills += scene.nursery.child("materialize", directory, **death).killed
        recovered = scene.nursery.child("load_again", directory)
        left, done = recovered.all("answers")
        states.add(check_views(scene, recovered.all("served")[0], left))
        assert done == scene.after_load, death
        assert recovered["contents"] == scene.loaded, death
        assert recovered["runs"] == recovered["served"], death
        shutil.rmtree(directory)
    assert kills >= (len(scene.load["steps"]) if STEPS is None else STEPS)
    assert len(states) > 1
    print(f"{kills} loads killed, views then served {sorted(states)}")  # noqa: T201 - the figure to report


def check_views(scene: Scene, served: dict[str, int], answers: dict[str, list[Any]]) -> tuple[str, ...]:
    """That each view is served whole, as of one of its two loads; which."""
    found = []
    for view, names in {"newest": ["price", "shop"], "spending": [*answers][1:-2]}.items():
        known = served[f"{view}@1"]
        assert known in {ledger.FIRST, ledger.SECOND}
        right = scene.before if known == ledger.FIRST else scene.after_load
        assert {name: answers[name] for name in names} == {name: right[name] for name in names}
        found.append("old" if known == ledger.FIRST else "new")
    return tuple(found)


def test_what_was_pushed_is_there_once_however_the_pusher_died(scene: Scene, seed: int) -> None:
    kills, counts = 0, set()
    for death in deaths(scene.push, seed):
        directory = scene.copy()
        life = scene.nursery.child("push", directory, **death)
        kills += life.killed
        acknowledged = len(life.all("acknowledged"))
        recovered = scene.nursery.child("send_again", directory)
        left, done = recovered.all("answers")
        there = [count for count, right in enumerate(scene.after_pushes) if right == left]
        assert there in ([acknowledged], [acknowledged + 1]), death  # not yet acknowledged, but durable
        sizes = [len(batch) for batch in ledger.batches()]
        assert recovered.all("again") == [
            [0, size] if number < there[0] else [size, 0] for number, size in enumerate(sizes)
        ], death
        assert done == scene.after_pushes[-1], death
        assert recovered["contents"] == scene.pushed, death
        counts.add(there[0] - acknowledged)
        shutil.rmtree(directory)
    assert kills >= (len(scene.push["steps"]) if STEPS is None else STEPS)
    assert counts == {0, 1} or not SOAKING
    print(f"{kills} pushes killed")  # noqa: T201 - the figure to report
