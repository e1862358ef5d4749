"""The OpenAPI document is true: of the addresses, and of the answers to drawn requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from headrace.clock import SystemClock
from headrace.config import read_settings
from headrace.server.app import Answers
from headrace.server.metrics import Metrics
from headrace.server.openapi import openapi
from tests.effort import cases
from tests.server.serving import served
from tests.server.shop import opened
from tests.server.test_guard import copied, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
OPERATIONS = [
    ("POST", "/get-online-features"),
    ("POST", "/push"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


@pytest.fixture(scope="module")
def guarded(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    """A server that knows one admin."""
    project = copied(shop, tmp_path_factory.mktemp("openapi") / "shop", keys="keys.toml")
    key = new_key(project, "fuzzer", "--role", "admin")
    with served(project) as client:
        yield client, key


def test_what_is_served_is_documented_and_the_reverse(shop: Path, tmp_path: Path) -> None:
    with opened(shop) as store:
        routes = Answers(store, Metrics(tmp_path, SystemClock())).endpoints()
    document = openapi(read_settings(shop))
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert set(routes) == told == set(OPERATIONS)


def test_the_limits_and_the_keys_told_are_those_in_force(shop: Path, tmp_path: Path) -> None:
    project = copied(shop, tmp_path / "shop", keys="keys.toml", max_entities=77, max_body="5MB")
    document = openapi(read_settings(project))
    asked = document["paths"]["/get-online-features"]["post"]
    assert "77 entities" in asked["requestBody"]["description"]
    assert "5,000,000 bytes" in asked["requestBody"]["description"]
    assert asked["security"] == [{"bearer": []}, {"key": []}]
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "securitySchemes" not in openapi(read_settings(shop))["components"]


def drawn_requests(
    client: httpx.Client,
    document: dict[str, Any],
    place: tuple[str, str],
    headers: dict[str, str],
    drawn: int,
) -> None:
    """Send what the document allows, and what it does not; every answer is one it tells of."""
    operation = schemathesis.openapi.from_dict(document)[place[1]][place[0]]
    for mode in MODES if place[0] == "POST" else MODES[:1]:  # nothing of a GET can be wrong
        strategy = operation.as_strategy(generation_mode=mode)
        seen = []

        @seed(drawn)
        @settings(
            max_examples=cases(20),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=strategy)
        def one(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=str(client.base_url), headers=headers, checks=CHECKS)
            seen.append(case)  # noqa: B023 - called within the loop

        one()
        assert seen


@pytest.mark.parametrize("place", OPERATIONS, ids=lambda place: place[1])
def test_drawn_requests_are_answered_as_documented(
    server: httpx.Client, place: tuple[str, str], seed: int
) -> None:
    drawn_requests(server, server.get("/openapi.json").json(), place, {}, seed)


@pytest.mark.parametrize("place", OPERATIONS[:2], ids=lambda place: place[1])
def test_so_they_are_with_and_without_a_key(
    guarded: tuple[httpx.Client, str], place: tuple[str, str], seed: int
) -> None:
    client, key = guarded
    document = client.get("/openapi.json", headers={"x-api-key": key}).json()
    assert client.get("/openapi.json").status_code == 401
    drawn_requests(client, document, place, {"x-api-key": key}, seed)
    drawn_requests(client, document, place, {"x-api-key": "hr_nobody"}, seed)
