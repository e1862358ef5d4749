"""Our side: the definitions that the bench writes are ones Headrace accepts."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import TYPE_CHECKING

import pytest

from bench import ours
from bench.experiment import FULL
from bench.experiments import all_of
from bench.inputs import Inputs, Log

if TYPE_CHECKING:
    from types import ModuleType

PLAIN = Inputs(Log(events=100, users=5), spine_rows=10, profile_rows=10)
LATE = dataclasses.replace(PLAIN, log=dataclasses.replace(PLAIN.log, knowledge=True, string_keys=True))


def _loaded(tmp_path, text: str) -> ModuleType:
    path = tmp_path / "features.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("bench_definitions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("inputs", [PLAIN, LATE])
@pytest.mark.parametrize("features", ours.FEATURES)
def test_definitions_of_events_are_accepted(features: str, inputs: Inputs, tmp_path) -> None:
    module = _loaded(tmp_path, ours.definitions_of_events(inputs, features, ours.WINDOWS))
    assert [each.name for each in module.view.features] == list(ours.FEATURES[features])
    assert module.log.event_id == ("event_id" if inputs.log.knowledge else None)


def test_definitions_of_profiles_are_accepted(tmp_path) -> None:
    assert len(_loaded(tmp_path, ours.definitions_of_profiles(PLAIN)).view.features) == 50


def test_every_experiment_asks_for_a_set_of_features_that_exists() -> None:
    sides = [side for each in all_of(FULL) for side in each.sides if side.entry == "bench.ours:windowed"]
    assert len(sides) > 20
    assert {side.options.get("features", "plain") for side in sides} <= set(ours.FEATURES)
