"""The guides name every public name, and every module that pages speak of exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import headrace
from headrace import rules

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
GUIDES = "\n".join(
    (ROOT / "docs" / name).read_text(encoding="utf-8")
    for name in ("definitions.md", "aggregations.md", "guides/serving.md")
)
MODULE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")
OF_A_PROJECT = {"features.py", "ask.py", "together.py", "push.py"}


@pytest.mark.parametrize("name", headrace.__all__)
def test_every_public_name_is_in_a_guide(name: str) -> None:
    assert re.search(rf"\bhr\.{name}\b|import {name}\b", GUIDES), f"no guide says what hr.{name} is"


@pytest.mark.parametrize("name", [name for name in rules.__all__ if name.islower()])
def test_every_rule_is_in_a_guide(name: str) -> None:
    assert f"hr.rules.{name}(" in GUIDES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_modules_named_exist(page: Path) -> None:
    named = set(MODULE.findall(page.read_text(encoding="utf-8"))) - OF_A_PROJECT
    places = [ROOT, ROOT / "src" / "headrace"]
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []
