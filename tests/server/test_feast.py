"""Feast's own client asks a server of ours, and gets what the store answers."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from bench.serving import feast
from headrace.clock import HOUR, SystemClock
from headrace.online.document import wire_value
from tests.server.serving import served
from tests.server.shop import USERS, build, click

if TYPE_CHECKING:
    from headrace.online.answer import OnlineFeatures

CLIENT = Path(__file__).with_name("feast_client.py")
FEATURES = {
    "newest": ["price", "ad", "place", "paid", "seen_at"],
    "fresh": ["place", "ad"],
    "user_clicks": ["clicks_1d", "clicks_7d", "spend_7d", "dearest_7d"],
}
QUESTIONS = 100


def drawn(chance: random.Random) -> tuple[list[str], list[str]]:
    """Features of one view, and users of whom some are not known; the first as well."""
    view = chance.choice(list(FEATURES))
    names = chance.sample(FEATURES[view], chance.randint(1, len(FEATURES[view])))
    return [f"{view}:{name}" for name in names], chance.choices([*USERS, "nobody"], k=chance.randint(1, 5))


def as_feast_has_it(answer: OnlineFeatures) -> dict[str, list[Any]]:
    """What Feast makes of an answer: values that are there, as its types hold them; else None."""
    told: dict[str, list[Any]] = {name: list(values) for name, values in answer.entities.items()}
    for each in answer.values():
        value = each.value
        finite = not isinstance(value, float) or math.isfinite(value)
        there = each.status == "PRESENT" and finite
        told.setdefault(each.feature, []).append(wire_value(value) if there else None)
    return told


@pytest.mark.soak(only=True)  # it installs Feast, in an environment of its own
def test_feasts_client_gets_what_the_store_answers(tmp_path: Path, seed: int) -> None:
    feast.require()
    chance = random.Random(f"{seed} feast")
    project = build(tmp_path / "shop")
    now = SystemClock().now()
    with hr.FeatureStore(project) as store:  # what is fresh now, and stays so while the test runs
        store.push("clicks", [click(5_000 + n, now - n * HOUR - HOUR // 2) for n in range(48)])
    questions = [drawn(chance) for _ in range(QUESTIONS)]
    questions.append((["newest:ad"], ["nobody", "u1"]))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with served(project) as server:
        (home := tmp_path / "feast").mkdir()
        words = [feast.HOME.resolve() / "bin" / "python", CLIENT, home, str(server.base_url).rstrip("/")]
        asked = "".join(json.dumps(each) + "\n" for each in questions)
        done = subprocess.run(words, input=asked, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    with hr.FeatureStore(project) as store:
        for (features, users), answer in zip(questions, answers, strict=True):
            entities = {"user_id": users}
            own = store.get_online_features(features=features, entities=entities)
            assert answer == as_feast_has_it(own), (features, users)
