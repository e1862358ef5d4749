"""All layouts answer alike, and the figures are of what is stored."""

from __future__ import annotations

import pytest

from bench.layouts.__main__ import told
from bench.layouts.inputs import Entities, View
from bench.layouts.layouts import LAYOUTS
from bench.layouts.measure import compare


@pytest.mark.parametrize("kinds", ["one", "ten"])
def test_layouts_hold_the_same_tiles(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compare` asks all of them for features and compares."""
    monkeypatch.setattr("bench.layouts.measure.CALL_SECONDS", 1e-9)
    monkeypatch.setattr("bench.layouts.measure.ROUNDS", 1)
    monkeypatch.setattr("bench.layouts.measure.MANY", 5)
    case = compare("small", View("small", kinds), Entities("some", 5, 40, 3))
    assert case.costs.keys() == LAYOUTS.keys()
    packed, apart = case.costs["packed, rows"], case.costs["a key for each tile"]
    assert (packed.keys, apart.keys) == (1, case.tiles)
    assert packed.stored < apart.stored < case.costs["a key for each state"].stored
    assert case.raw == 24 if kinds == "one" else case.raw > 90
    assert "| packed, rows | 1 |" in told(case)
