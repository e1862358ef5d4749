"""The guide to the command line: every verb and option there is, and no other; its settings are read."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from headrace.cli.app import VERBS, app
from headrace.config import FILE, read_settings

GUIDE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
FOR_ALL = {"--project", "--json", "--help"}


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+)$", GUIDE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _options(verb: str) -> set[str]:
    command = app.get_command(click.Context(app), verb)
    assert command is not None
    found = [name for each in command.params if isinstance(each, click.Option) for name in each.opts]
    return {name for name in found if name.startswith("--")} - FOR_ALL


def test_the_guide_has_the_verbs_in_the_order_people_meet_them():
    assert [name for name in _sections() if name != "Settings"] == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_guide_has_a_verbs_options_and_no_others(verb):
    assert set(OPTION.findall(_sections()[verb])) == _options(verb)


def test_the_guide_has_what_all_verbs_take():
    head = GUIDE.partition("\n## ")[0]
    assert set(OPTION.findall(head)) >= FOR_ALL


def test_the_settings_shown_are_settings(tmp_path):
    (tmp_path / FILE).write_text(re.search(r"```toml\n(.+?)```", GUIDE, re.DOTALL)[1], encoding="utf-8")
    assert read_settings(tmp_path).project.name == "shop"
