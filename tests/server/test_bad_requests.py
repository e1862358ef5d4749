"""What cannot be answered is refused in one document; the server goes on, and says nothing of its insides."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.online.test_earlier_layouts import LAYOUTS
from tests.server.serving import served
from tests.server.shop import FEATURES, NOW, USERS, drawn, opened

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

GOOD: dict[str, Any] = {"features": ["newest:ad"], "entities": {"user_id": ["u1"]}, "as_of": NOW}


def body(**changes: Any) -> bytes:
    asked = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return json.dumps(asked).encode()


BAD = {
    "empty": (b"", 400, "cannot be read"),
    "cut": (b'{"features": [', 400, "cannot be read"),
    "no object": (b"[1]", 400, "object"),
    "not UTF-8": (b'{"features": ["\xff\xfe"]}', 400, "utf-8"),
    "deep": (b'{"context": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", 400, "recursion"),
    "large": (b" " * 4_000_001, 413, "4,000,000 bytes"),
    "NaN": (b'{"entities": {"user_id": [NaN]}}', 400, "cannot be read"),
    "unknown field": (body(as_off=1), 400, "as_off"),
    "features of another type": (body(features="newest:ad"), 400, "$.features"),
    "entities of another type": (body(entities=[["u1"]]), 400, "$.entities"),
    "column of another type": (body(entities={"user_id": "u1"}), 400, "user_id|array"),
    "no features": (body(features=...), 422, "features or for a service"),
    "both": (body(feature_service="shop"), 422, "both given"),
    "none listed": (body(features=[]), 422, "No feature"),
    "unknown feature": (body(features=["newest:add"]), 404, "newest"),
    "unknown view": (body(features=["newst:ad"]), 404, "newst"),
    "unknown version": (body(features=["newest@7:ad"]), 404, "7"),
    "unknown service": (body(features=..., feature_service="shopp"), 404, "shopp"),
    "unknown experiment": (body(experiment="ctr_v2"), 404, "There is no experiment 'ctr_v2'."),
    "experiment of another type": (body(experiment=7), 400, "$.experiment"),
    "unknown column": (body(entities={"userid": ["u1"]}), 404, "userid"),
    "no column": (body(entities={}), 422, "user_id"),
    "no reference": (body(features=["::"]), 422, "::"),
    "half a character": (body(features=["\ud800"]), 400, r"\\ud800 is half a character"),
    "the wrong half": (body(context={"a": "\udc00 and more"}), 400, r"\\udc00 is half a character"),
    "two first halves": (rb'{"features": ["\uD83D\uD83D"]}', 400, "half a character"),
    "cut behind whole ones": (rb'{"features": ["\ud83d\ude00 \\ud800', 400, "truncated"),
    "twice": (body(features=["newest:ad", "newest:ad"]), 422, "ad"),
    "lengths": (body(entities={"user_id": ["u1", "u2"], "bid": [1]}, features=["margin"]), 422, "bid"),
    "key of another type": (body(entities={"user_id": [{"a": 1}]}), 422, "user_id"),
    "mixed types": (body(entities={"user_id": ["u1", 5, [1]]}), 422, ""),
    "too many": (body(entities={"user_id": ["u1"] * 10_001}), 422, "10,000"),
    "no instant": (body(as_of="yesterday"), 422, "yesterday"),
    "beyond time": (body(as_of=2**62), 422, "instant"),
    "too early": (body(as_of="2026-03-01T00:00:00Z"), 422, "stored state begins"),
    "no request field": (body(features=["margin"]), 422, "bid"),
    "wrong request field": (body(features=["margin"], context={"bid": [1]}), 422, "bid"),
    "unknown request field": (body(context={"bit": 1}), 404, "bit"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_answered_is_refused(server: httpx.Client, name: str) -> None:
    sent, status, word = BAD[name]
    answer = server.post("/get-online-features", content=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    error = answer.json()["error"]
    assert list(error) == ["type", "message", "asked", "available", "remedy"]
    assert error["remedy"]
    assert "Traceback" not in answer.text
    assert any(each.lower() in answer.text.lower() for each in word.split("|")), answer.text


def test_a_name_nearly_right_is_offered(server: httpx.Client) -> None:
    answer = server.post("/get-online-features", content=body(features=["user_clicks:clicks_7"]))
    assert "clicks_7d" in answer.json()["error"]["available"]


def test_the_experiment_may_be_null(server: httpx.Client) -> None:
    asked = server.post("/get-online-features", content=body(experiment=None))
    assert asked.json() == server.post("/get-online-features", content=body()).json()
    told = server.get("/openapi.json").json()["components"]["schemas"]["OnlineQuestion"]["properties"]
    assert told["experiment"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def test_an_unknown_address_or_method_is_refused(server: httpx.Client) -> None:
    missing = server.get("/helth")
    assert (missing.status_code, missing.json()["error"]["available"][0]) == (404, "/health")
    assert missing.json()["error"]["remedy"] == "Did you mean '/health'?"
    wrong = server.get("/get-online-features")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["error"]["message"] == "GET /get-online-features: Method Not Allowed."


@pytest.mark.parametrize("path", ["/", "/api/v1/services", "/features"])
def test_an_address_far_from_all_is_told_all_there_are(server: httpx.Client, path: str) -> None:
    error = server.get(path).json()["error"]
    addresses = server.get("/openapi.json").json()["paths"]
    assert (error["type"], error["message"]) == ("UnknownNameError", f"There is no address {path!r}.")
    assert error["available"] == list(addresses)
    assert error["remedy"] == "Ask one of those; /openapi.json describes them."


def test_a_body_in_pieces_is_measured_as_it_comes(server: httpx.Client) -> None:
    pieces = [body()[:20], body()[20:]]
    assert server.post("/get-online-features", content=iter(pieces)).status_code == 200
    assert server.post("/get-online-features", content=iter([b" " * 1_000_000] * 5)).status_code == 413


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"source": "clickss", "rows": [{}]}, 404),
        ({"rows": [{}]}, 422),
        ({"source": "clicks"}, 422),
        ({"source": "clicks", "push_source_name": "clicks", "rows": []}, 422),
        ({"source": "clicks", "df": {"user_id": ["u1"], "ts": []}}, 422),
        ({"source": "clicks", "rows": "u1"}, 400),
        ({"source": "clicks", "rowz": []}, 400),
    ],
    ids=["source", "nameless", "nothing", "two names", "lengths", "type", "field"],
)
def test_what_cannot_be_pushed_is_refused(server: httpx.Client, sent: dict[str, Any], status: int) -> None:
    answer = server.post("/push", json=sent)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("layout", [None, "1", "2"])
def test_a_store_that_holds_no_view_as_it_is_read_now(shop: Path, tmp_path: Path, layout: str | None) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    with opened(project) as store:
        online = store.online
        online.delete([key for key, _ in online.scan(b"")])
        online.multi_put([] if layout is None else LAYOUTS[layout]("newest@1"))
    with served(project) as client:
        answer = client.post("/get-online-features", content=body())
        assert answer.status_code == 409
        assert answer.json()["error"] == {
            "type": "NotLoadedError",
            "message": "View newest@1 has no state yet: it was never loaded, or by an earlier Headrace.",
            "asked": "newest@1",
            "available": [],
            "remedy": "Run: headrace materialize.",
        }
        assert client.get("/ready").status_code == 200


ODD: list[Any] = [
    None, True, -1, 0.5, 2**63, 2**200, "", "\x00", "é" * 300, [], [[]], {}, {"a": {}}, "2026", 1e308, "NaN",
]  # fmt: skip


def spoiled(value: Any, chance: random.Random) -> Any:
    """A request with something odd in it somewhere."""
    if chance.random() < 0.2:
        return chance.choice([*ODD, chance.choice(FEATURES), chance.choice(USERS)])
    if isinstance(value, dict):
        chosen = chance.choice(list(value)) if value else "user_id"
        return {**value, chosen: spoiled(value.get(chosen), chance)}
    if isinstance(value, list) and value:
        place = chance.randrange(len(value))
        return [*value[:place], spoiled(value[place], chance), *value[place + 1 :]]
    return chance.choice(ODD)


def test_spoiled_requests_never_make_the_server_fail(server: httpx.Client, seed: int) -> None:
    chance = random.Random(f"{seed} spoiled")
    for _ in range(400):
        sent = json.dumps(spoiled(drawn(chance), chance)).encode()
        if chance.random() < 0.2:
            place = chance.randrange(len(sent))
            sent = sent[:place] + chance.randbytes(chance.randrange(4)) + sent[place + chance.randrange(3) :]
        answer = server.post("/get-online-features", content=sent)
        assert answer.status_code in {200, 400, 404, 413, 422}, (sent, answer.text)
        assert ("error" in answer.json()) == (answer.status_code != 200)
    assert server.post("/get-online-features", content=body()).status_code == 200
