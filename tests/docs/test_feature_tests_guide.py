"""The guide to feature tests: its examples in YAML pass on the project that `headrace init` writes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from headrace.cli.starter_project import write_project
from headrace.project import FeatureStore
from headrace.testing import FeatureTest

GUIDE = (Path(__file__).parents[2] / "docs" / "feature-tests.md").read_text(encoding="utf-8")


def test_the_examples_in_yaml_pass(tmp_path: Path) -> None:
    write_project(tmp_path, "shop", 1_780_000_000_000_000)
    (tmp_path / "tests" / "user_ads.yaml").unlink()
    examples = re.findall(r"```yaml\n(.+?)```", GUIDE, re.DOTALL)
    for number, example in enumerate(examples):
        (tmp_path / "tests" / f"{number}.yaml").write_text(example, encoding="utf-8")
    with FeatureStore(tmp_path) as store:
        report = store.test()
    assert [each.told() for each in report.outcomes] == [""] * len(examples)
    assert len(examples) == 2


def test_every_key_of_a_feature_test_is_told() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", GUIDE, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == {each.name for each in fields(FeatureTest)} - {"written"}
