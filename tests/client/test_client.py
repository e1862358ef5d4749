"""A client's answers and errors are those of the store in process."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import headrace as hr
from headrace.clock import HOUR
from headrace.errors import DataError, HeadraceError, UnknownNameError
from tests.server.shop import FEATURES, NOW, USERS, click, drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.online.answer import OnlineFeatures


def arguments(asked: dict[str, Any]) -> dict[str, Any]:
    """A request's body as arguments."""
    named = {"as_of": NOW, **asked}
    service = named.pop("feature_service", None)
    return {**named, "service": service}


def outcome(ask: Callable[..., OnlineFeatures], asked: dict[str, Any]) -> Any:
    """All that an answer says, in a form that compares; or all that an error says."""
    try:
        answer = ask(**asked)
    except HeadraceError as error:
        return type(error), error.document(), str(error)
    table = answer.to_arrow()
    return (
        repr(answer.to_dict()),  # NaN is NaN here
        str(table.schema),
        repr(list(answer.values())),
        answer.document(),
        answer.as_of,
        len(answer),
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"features": "newest:price", "entities": {"user_id": ["u1"]}},
        {"features": ("newest:price",), "entities": pa.table({"user_id": ["u1", None]})},
        {"features": np.array(["newest:price"]), "entities": {"user_id": np.array(["u1"])}},
        {"features": 5, "entities": {"user_id": ["u1"]}},
        {"features": [["newest:price"]], "entities": {"user_id": ["u1"]}},
        {"service": ["shop"], "entities": {"user_id": ["u1"]}},
        {"features": ["newest:price"], "entities": {"user_id": {"u1": 1}}},
        {"features": ["margin"], "entities": {"user_id": ["u1"]}, "context": ["bid"]},
        {"features": ["margin"], "entities": {"user_id": ["u1"], "bid": [1]}, "context": {"bid": 2}},
        {"features": ["margin"], "entities": {"user_id": ["u1"], 5: [1]}},
    ],
    ids=["one feature", "table", "NumPy", "number", "nested", "services", "dict", "context", "twice", "name"],
)
def test_odd_requests_are_answered_as_in_process(
    client: hr.Client, store: hr.FeatureStore, asked: dict[str, Any]
) -> None:
    asked = {"as_of": NOW, **asked}
    assert outcome(client.get_online_features, asked) == outcome(store.get_online_features, asked)


@pytest.mark.parametrize("part", range(4))
def test_drawn_requests_are_answered_as_in_process(
    client: hr.Client, store: hr.FeatureStore, seed: int, part: int
) -> None:
    chance = random.Random(f"{seed} client {part}")
    refused = 0
    for _ in range(40):
        asked = arguments(drawn(chance))
        if chance.random() < 0.2:
            spoil(asked, chance)
        here = outcome(store.get_online_features, asked)
        assert outcome(client.get_online_features, asked) == here, asked
        refused += isinstance(here[0], type)
    assert 0 < refused < 40


def spoil(asked: dict[str, Any], chance: random.Random) -> None:
    """Ask for something that cannot be answered."""
    match chance.randrange(6):
        case 0:
            asked.update(features=["newest:add"], service=None)
        case 1:
            asked.update(features=["newest:ad"], service="shop")
        case 2:
            asked.update(as_of="yesterday")
        case 3:
            asked.update(context={"bit": 1})
        case 4:
            asked["entities"] = {"userid": ["u1"]}
        case _:
            asked["entities"] = {"user_id": ["u1", 5, [1]]}


@pytest.mark.parametrize(
    "keys",
    [
        {"user_id": pa.array(["u1", "u2"])},
        {"user_id": np.array(["u1", "u2"], dtype=object)},
        [{"user_id": "u1"}, {"user_id": "u2"}],
        {"user_id": ("u1", "u2"), "bid": [Decimal("1.25"), Decimal(3)]},
        {"user_id": ["u1", "u2"], "bid": [math.inf, 1.5]},
        {"user_id": ["u1", "u2"], "bid": [math.nan, -0.0]},
        {"user_id": ["u1", "u2"], "bid": np.array([1.5, 2.5], dtype=np.float32)},
        {"user_id": [b"u1", b"u2"]},
    ],
    ids=["arrow", "numpy", "rows", "decimals", "infinite", "nan", "float32", "bytes"],
)
def test_values_of_every_kind_are_sent_as_they_are(
    client: hr.Client, store: hr.FeatureStore, keys: Any
) -> None:
    bids = "bid" in keys if isinstance(keys, dict) else False
    asked = {"features": ["newest:ad", *(["margin"] if bids else [])], "entities": keys, "as_of": NOW}
    there, here = client.get_online_features(**asked), store.get_online_features(**asked)
    assert repr(there.columns.to_lists()) == repr(here.columns.to_lists())
    assert [each.status for each in there.values()] == [each.status for each in here.values()]


def test_a_matrix_is_ready_for_a_model(client: hr.Client, store: hr.FeatureStore) -> None:
    asked = {
        "features": [f"user_clicks:{name}" for name in ("clicks_7d", "fees_7d", "spend_1d", "since")]
        + ["newest:paid"],
        "entities": {"user_id": USERS * 400},
        "as_of": NOW,
    }
    there, here = client.get_online_features(**asked), store.get_online_features(**asked)
    assert there.to_numpy().shape == (4_800, 5)
    assert np.array_equal(there.to_numpy(), here.to_numpy(), equal_nan=True)
    assert there.to_pandas().equals(here.to_pandas())
    for ask in (client.get_online_features, store.get_online_features):
        with pytest.raises(DataError, match="Feature 'ads_7d' is a list<int64>, not a number"):
            ask(["user_clicks:ads_7d"], {"user_id": ["u1"]}, as_of=NOW).to_numpy()


def test_an_event_loop_asks_many_at_once(client: hr.Client, store: hr.FeatureStore) -> None:
    async def all_of_them() -> list[OnlineFeatures]:
        asks = (
            client.get_online_features_async(FEATURES[:3], {"user_id": [user]}, as_of=NOW) for user in USERS
        )
        return await asyncio.gather(*asks)

    for user, answer in zip(USERS, asyncio.run(all_of_them()), strict=True):
        here = store.get_online_features(FEATURES[:3], {"user_id": [user]}, as_of=NOW)
        assert answer.to_dict() == here.to_dict()


def test_large_requests_are_compressed_where_that_is_asked_for(url: str, store: hr.FeatureStore) -> None:
    asked = {"features": ["newest:ad"], "entities": {"user_id": [f"user {n}" for n in range(9_000)]}}
    with hr.Client(url, timeout=60, compress=True) as client:
        answer = client.get_online_features(**asked, as_of=NOW)
    assert answer.to_dict() == store.get_online_features(**asked, as_of=NOW).to_dict()


def test_what_is_pushed_is_there(client: hr.Client, store: hr.FeatureStore) -> None:
    rows = [
        {**click(number, NOW + HOUR), "user_id": "pusher", "raw": b"text", "price": price}
        for number, price in ((5_001, 1 / 3), (5_002, math.nan), (5_003, math.inf), (5_001, 1 / 3))
    ]
    pushed = client.push("clicks", rows)
    assert (pushed.accepted, pushed.duplicates, pushed.rejected) == (2, 1, 1)
    table = pa.Table.from_pylist(
        [{**rows[0], "event_id": "e5004", "ts": dt.datetime(2026, 3, 13, 2, tzinfo=dt.UTC)}]
    )
    assert client.push("clicks", table).accepted == 1
    mixed = pd.DataFrame(
        [
            {**rows[0], "event_id": "e5005", "user_id": user, "price": price}
            for user, price in (("a", "dear"), ("b", 1.5))
        ]
    )
    assert client.push("clicks", mixed)[:4] == (1, 0, 0, 1)
    asked = {"features": ["user_clicks:clicks_1d", "newest:seen_at", "newest:fee"], "as_of": NOW + 3 * HOUR}
    there = client.get_online_features(**asked, entities={"user_id": ["pusher"]}).to_dict()
    assert there == store.get_online_features(**asked, entities={"user_id": ["pusher"]}).to_dict()
    assert there["clicks_1d"] == [3]


@pytest.mark.parametrize("rows", [[{"nothing": 1}], [1, 2], "text"], ids=["columns", "numbers", "text"])
def test_a_push_is_refused_as_in_process(client: hr.Client, store: hr.FeatureStore, rows: Any) -> None:
    told = []
    for push in (client.push, store.push):
        with pytest.raises(HeadraceError) as refused:
            push("clickss", rows) if rows == [{"nothing": 1}] else push("clicks", rows)
        told.append((type(refused.value), str(refused.value)))
    assert told[0] == told[1]


def test_a_name_nearly_right_is_offered(client: hr.Client) -> None:
    with pytest.raises(UnknownNameError) as refused:
        client.get_online_features(["user_clicks:clicks_7"], {"user_id": ["u1"]})
    assert refused.value.asked == "clicks_7"
    assert "clicks_7d" in refused.value.available
    assert refused.value.remedy
