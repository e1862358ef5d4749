"""The guide's table of metrics is what the server has, and its settings exist."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.config import read_settings
from headrace.server.metrics import FAMILIES

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "observing.md").read_text(encoding="utf-8")


def test_the_table_has_every_metric_in_its_words() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| .*\| (.+) \|$", GUIDE, re.MULTILINE)
    assert rows == [(family.name, family.kind, family.about) for family in FAMILIES]


def test_its_questions_are_about_metrics_there_are() -> None:
    (questions,) = re.findall(r"```promql\n(.+?)```", GUIDE, re.DOTALL)
    named = {re.sub("_bucket$", "", name) for name in re.findall(r"headrace_\w+", questions)}
    assert len(named) == 5
    assert named <= {family.name for family in FAMILIES}


def test_its_settings_are_settings(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.+?)```", GUIDE, re.DOTALL)
    (tmp_path / "headrace.toml").write_text(f'[project]\nname = "ads"\n{shown}', encoding="utf-8")
    serving = read_settings(tmp_path, {}).serving
    assert (serving.messages, serving.tell_requests, serving.traces) == ("json", True, False)
