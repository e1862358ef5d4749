"""The forms of an answer: Arrow and compressed bytes say what JSON says."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from headrace.clock import format_instant, instant
from headrace.online.document import NO_TIME, wire_value
from headrace.server.encoding import ARROW, takes
from tests.server.shop import NOW, USERS, drawn

if TYPE_CHECKING:
    import datetime as dt

    import httpx

MANY = {"features": ["newest:price", "newest:place"], "entities": {"user_id": USERS * 40}, "as_of": NOW}


def result(table: pa.Table, name: str) -> dict[str, Any]:
    """A feature of an Arrow answer as JSON has it, as far as its values are finite."""
    names = json.loads(table.schema.metadata[b"feature_names"])
    place = names.index(name) - len(names) + len(json.loads(table.schema.metadata[b"features"]))
    times: list[dt.datetime | None] = [each[place] for each in table["__event_timestamp"].to_pylist()]
    known = json.loads(table.schema.metadata[b"statuses"])
    return {
        "values": [wire_value(value) for value in table[name].to_pylist(maps_as_pydicts="strict")],
        "statuses": [known[each[place]] for each in table["__status"].to_pylist()],
        "event_timestamps": [NO_TIME if at is None else format_instant(instant(at)) for at in times],
    }


def test_arrow_says_what_json_says(server: httpx.Client, seed: int) -> None:
    chance = random.Random(f"{seed} arrow")
    seen = 0
    for _ in range(60):
        asked = {"as_of": NOW, **drawn(chance)}
        plain = server.post("/get-online-features", json=asked)
        typed = server.post("/get-online-features", json=asked, headers={"accept": ARROW.decode()})
        assert plain.status_code == typed.status_code
        if plain.status_code != 200:
            assert plain.json() == typed.json()
            continue
        assert typed.headers["content-type"] == ARROW.decode()
        table = pa.ipc.open_stream(typed.content).read_all()
        document, about = plain.json(), table.schema.metadata
        names = document["metadata"]["feature_names"]
        assert json.loads(about[b"feature_names"]) == names
        assert about[b"as_of"].decode() == document["metadata"]["as_of"]
        for name, told in zip(names, document["results"], strict=True):
            if name in asked["entities"]:
                assert table[name].to_pylist() == asked["entities"][name]
            elif "infinite" not in document["metadata"].get("reasons", {}).get(name, ""):
                assert result(table, name) == told
                seen += 1
    assert seen


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_long_answer_is_compressed_as_the_client_takes_it(server: httpx.Client, kind: str) -> None:
    plain = server.post("/get-online-features", json=MANY, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with server.stream(
        "POST", "/get-online-features", json=MANY, headers={"accept-encoding": f"br, {kind};q=0.5"}
    ) as packed:
        sent = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == kind
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert int(packed.headers["content-length"]) == len(sent) < len(plain.content) / 4
    assert pa.decompress(sent, len(plain.content), kind, asbytes=True) == plain.content


def test_a_short_answer_is_sent_as_it_is(server: httpx.Client) -> None:
    short = {**MANY, "entities": {"user_id": ["u1"]}}
    answer = server.post("/get-online-features", json=short, headers={"accept-encoding": "gzip, zstd"})
    assert "content-encoding" not in answer.headers


def test_what_is_refused_is_not_taken() -> None:
    assert takes(b"gzip;q=0, zstd; q=0.0, br;q=0.1, Deflate") == {b"br", b"deflate"}
