"""What the server answers is what the store answers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from headrace.errors import HeadraceError
from headrace.online.document import NO_TIME
from tests.server.shop import NOW, drawn

if TYPE_CHECKING:
    import httpx

    import headrace as hr


def in_process(store: hr.FeatureStore, asked: dict[str, Any]) -> dict[str, Any]:
    """The document the store itself makes for a request's body."""
    arguments = {**asked, "service": asked.get("feature_service")}
    arguments.pop("feature_service", None)
    try:
        return store.get_online_features(**arguments).document()
    except HeadraceError as error:
        return error.document()


@pytest.mark.parametrize("part", range(8))
def test_random_requests_are_answered_as_in_process(
    server: httpx.Client, store: hr.FeatureStore, seed: int, part: int
) -> None:
    chance = random.Random(f"{seed} {part}")
    for _ in range(25):
        asked = drawn(chance)
        answer = server.post("/get-online-features", json=asked).json()
        if "as_of" not in asked and "metadata" in answer:
            asked["as_of"] = answer["metadata"]["as_of"]
        assert answer == in_process(store, asked), asked


def test_an_answer_is_columns_entities_first(server: httpx.Client) -> None:
    body = {
        "features": ["user_clicks:clicks_7d", "newest:fee"],
        "entities": {"user_id": ["u1", "nobody"]},
        "as_of": NOW,
    }
    answer = server.post("/get-online-features", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "metadata": {"feature_names": ["user_id", "clicks_7d", "fee"], "as_of": "2026-03-13T00:00:00Z"},
        "results": [
            {"values": ["u1", "nobody"], "statuses": ["PRESENT"] * 2, "event_timestamps": [NO_TIME] * 2},
            {
                "values": [10, 0],
                "statuses": ["PRESENT", "PRESENT"],
                "event_timestamps": ["2026-03-12T21:00:00Z", "1970-01-01T00:00:00Z"],
            },
            {
                "values": ["42.7500", None],
                "statuses": ["PRESENT", "NOT_FOUND"],
                "event_timestamps": ["2026-03-12T21:00:00Z", "1970-01-01T00:00:00Z"],
            },
        ],
    }


def test_health_and_readiness(server: httpx.Client) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/ready").json() == {"status": "ready"}
