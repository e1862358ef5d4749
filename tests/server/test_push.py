"""Events pushed over HTTP: durable, visible to the next request, in our form and in Feast's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from headrace.clock import HOUR
from tests.server.serving import served
from tests.server.shop import NOW, build, click, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

ASK = {"features": ["user_clicks:clicks_1d"], "entities": {"user_id": ["u5"]}, "as_of": NOW + 2 * HOUR}

RULES = {"no_key": 1, "no_time": 1, "uncastable": 1}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project of one's own: these tests write to it."""
    return build(tmp_path / "shop")


@pytest.fixture
def server(shop: Path) -> Iterator[httpx.Client]:
    with served(shop) as client:
        yield client


def row(number: int) -> dict[str, Any]:
    """A click of u5 as JSON has it."""
    made = click(number, NOW + HOUR)
    made |= {"ts": made["ts"].isoformat(), "seen_at": made["seen_at"].isoformat(), "day": str(made["day"])}
    return {**made, "fee": str(made["fee"]), "raw": "ab", "user_id": "u5"}


def clicks(client: httpx.Client) -> int:
    return client.post("/get-online-features", json=ASK).json()["results"][1]["values"][0]


def test_what_is_pushed_is_there_when_the_answer_comes(server: httpx.Client, shop: Path) -> None:
    before = clicks(server)
    ours = server.post("/push", json={"source": "clicks", "rows": [row(1001), row(1002), row(1001)]})
    assert ours.status_code == 200, ours.text
    assert (ours.json()["accepted"], ours.json()["duplicates"]) == (2, 1)
    assert clicks(server) == before + 2
    columns = {name: [value] for name, value in row(1003).items()}
    feast = {"push_source_name": "clicks", "df": columns, "to": "online", "allow_registry_cache": True}
    assert server.post("/push", json=feast).json()["accepted"] == 1
    assert clicks(server) == before + 3
    assert "rules" not in ours.json()
    spoiled = [{**row(1005), "ts": "noon"}, {**row(1006), "ts": None}, {**row(1007), "user_id": None}]
    rejected = server.post("/push", json={"source": "clicks", "rows": spoiled}).json()
    assert (rejected["rejected"], rejected["rules"]) == (3, RULES)
    with hr.Client(str(server.base_url)) as client:
        assert client.push("clicks", spoiled).rules == RULES
        assert client.push("clicks", [row(1001)]).rules == {}
    for to in ("offline", "", "ONLINE"):
        refused = server.post("/push", json={**feast, "to": to})
        assert (refused.status_code, refused.json()["error"]["asked"]) == (400, to)
        assert refused.json()["error"]["message"] == f"A push counts online at once: there is none to {to!r}."
        assert refused.json()["error"]["available"] == ["online", "online_and_offline"]
    both = {**feast, "to": "online_and_offline", "df": {name: [value] for name, value in row(1004).items()}}
    assert server.post("/push", json=both).json()["accepted"] == 1
    assert clicks(server) == before + 4
    with opened(shop) as store:
        again = store.get_online_features(ASK["features"], ASK["entities"], as_of=ASK["as_of"])
        assert again.to_dict()["clicks_1d"] == [before + 4]
