"""Whole days drawn at random: events that lag, come late, twice or never; loads, answers, and one report."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pytest

from headrace.clock import DAY, HOUR, MINUTE, SECOND
from headrace.monitoring.causes import NOT_EXAMINED, UNEXPLAINED
from tests.monitoring.planted import NAMES, K, Project, causes, event

if TYPE_CHECKING:
    from pathlib import Path

USERS = ["ann", "bob", "cid", "dan"]


class Drawn(NamedTuple):
    """An event, and when it reaches what; None for never."""

    row: dict[str, Any]
    pushed_at: int | None
    filed_at: int | None


def drawn(draw: random.Random, number: int, *, trouble: bool) -> Drawn:
    """An event of two days."""
    at = K + draw.randrange(2 * DAY // MINUTE) * MINUTE
    known = at + draw.choice([0, 0, 0, 5 * SECOND, 3 * HOUR])
    row = event(
        number,
        draw.choice(USERS),
        at,
        known,
        event=draw.choice(["click", "view"]),
        price=draw.choice([0.5, 2.0, -1.0]),
    )
    lag, filing = SECOND, (known // DAY + 1) * DAY + 10 * MINUTE
    pushed: int | None = known + lag
    if trouble:
        pushed = draw.choice([known + SECOND, known + SECOND, known + draw.randrange(1, 90) * MINUTE, None])
        filing = draw.choice([filing, filing, filing, filing + 4 * HOUR])
    return Drawn(row, pushed, filing)


def play(project: Project, events: list[Drawn], draw: random.Random) -> None:
    """Let the two days pass."""
    actions: list[tuple[int, int, Any]] = []
    actions += [
        (each.pushed_at, 0, lambda each=each: project.push(each.row))
        for each in events
        if each.pushed_at is not None
    ]
    for number, at in enumerate(sorted({each.filed_at for each in events if each.filed_at is not None})):
        rows = [each.row for each in events if each.filed_at == at]
        actions.append(
            (at, 1, lambda rows=rows, at=at, number=number: project.arrive(f"f{number}", rows, at))
        )
    for day in (1, 2):
        k = K + day * DAY
        actions.append((k + HOUR, 2, lambda k=k: project.store.materialize(k)))
    for step in range(2 * DAY // HOUR):
        at = K + step * HOUR + draw.randrange(HOUR // SECOND) * SECOND + 7
        actions.append((at, 3, lambda: project.serve(*USERS, "eve")))
    for at, _, act in sorted(actions, key=lambda each: each[:2]):
        project.clock.at = at
        act()
    project.clock.at = K + 4 * DAY


@pytest.mark.parametrize("trouble", [False, True], ids=["calm", "trouble"])
@pytest.mark.parametrize("case", range(3))
def test_every_difference_is_found_and_explained(
    tmp_path: Path, seed: int, case: int, *, trouble: bool
) -> None:
    draw = random.Random(seed + case)
    project = Project(tmp_path / "ads")
    with (project.path / "headrace.toml").open("a") as settings:
        settings.write('[monitoring]\nkeep = "5d"\n')
    project.open()
    events = [drawn(draw, 100 + n, trouble=trouble) for n in range(120)]
    play(project, events, draw)
    report = project.store.consistency("5d")
    found = causes(report)
    assert report.compared == report.views[0].rows * len(NAMES)
    assert report.mismatched == differences(project)
    assert UNEXPLAINED not in found, found
    assert NOT_EXAMINED not in found
    if trouble:
        assert {"ingestion lag", "missing"} <= found.keys()
    else:
        assert found.keys() <= {"ingestion lag"}, "a second is a lag too"
    project.store.close()


def differences(project: Project) -> int:
    """How many values were served that a training set of the same instants does not have."""
    served = project.store.served_log(K)
    spine = {"user_id": served.column("entity:user_id"), "ts": served.column("t")}
    table = pa.table(spine)
    made = project.store.get_historical_features(
        table, features=[f"by_user:{name}" for name in NAMES]
    ).to_arrow()
    return sum(
        a != b
        for name in NAMES
        for a, b in zip(
            served.column(f"by_user@1:{name}").to_pylist(), made.column(name).to_pylist(), strict=True
        )
    )
