"""An on-demand feature is the code that was applied, with what it calls, or it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from headrace.definitions.loading import load_definitions
from headrace.errors import StoreError
from tests.project.market import NOW, K, activity, again, events, online, project, refused

if TYPE_CHECKING:
    from pathlib import Path

CODE = """\
import headrace as hr

TIMES = 2


@hr.on_demand(inputs={"events": "activity:events_7d"}, output="int64")
def more(events):
    return events * TIMES
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    project(tmp_path, events(0, 10)).close()
    write_code(tmp_path, CODE)
    apply(tmp_path)
    again(tmp_path).materialize(end=K)
    return tmp_path


def apply(directory: Path) -> None:
    again(directory).apply([activity(), *load_definitions(directory, ("features.py",))])


def write_code(directory: Path, text: str) -> None:
    (directory / "features.py").write_text(text)


def trained(directory: Path) -> list[Any]:
    found = again(directory).get_historical_features([{"user_id": "u0", "ts": NOW}], features=["more"])
    return found.to_arrow()["more"].to_pylist()


def test_the_applied_code_answers(directory: Path) -> None:
    doubled = [2 * count for count in online(again(directory), "activity:events_7d")["events_7d"]]
    assert online(again(directory), "more")["more"] == doubled
    assert trained(directory) == doubled[:1]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("events * TIMES", "events * 3", ["not the code that was applied", "Bump its version"]),
        ("TIMES = 2", "TIMES = 3", ["file", "has changed", "headrace apply"]),
    ],
    ids=["its own", "what it reads"],
)
def test_changed_code_is_refused_until_it_is_applied(
    directory: Path, old: str, new: str, words: list[str]
) -> None:
    write_code(directory, CODE.replace(old, new))
    refused(StoreError, lambda: online(again(directory), "more"), "'more'", *words)
    refused(StoreError, lambda: trained(directory), "'more'", *words)


def test_a_changed_file_is_accepted_by_an_apply(directory: Path) -> None:
    before = trained(directory)
    write_code(directory, CODE + "\n# a remark\n")
    apply(directory)
    assert trained(directory) == before
