"""Definitions that tests vary."""

from __future__ import annotations

from typing import Any

import headrace as hr
from headrace import agg

SCHEMA = {
    "user_id": "string",
    "ts": "timestamp",
    "received_at": "timestamp",
    "event_id": "string",
    "event": "string",
    "ad_id": "string",
    "price": "decimal(12,4)",
    "age": "int64",
    "interests": "list<string>",
    "vector": "list<double>",
    "vip": "bool",
}

user = hr.Entity("user", {"user_id": "string"})


def entity(**changes: Any) -> hr.Entity:
    return hr.Entity(**{"name": "user", "join_keys": {"user_id": "string"}, **changes})


def events(**changes: Any) -> hr.EventSource:
    return hr.EventSource(**{"name": "ads", "schema": SCHEMA, "timestamp": "ts", **changes})


def table(**changes: Any) -> hr.TableSource:
    return hr.TableSource(**{"name": "profiles", "schema": SCHEMA, "timestamp": "ts", **changes})


def view(*features: agg.Aggregation, **changes: Any) -> hr.AggregateView:
    made = features or (
        agg.count("impressions", where="event = 'impression'", windows=["1h", "7d"]),
        agg.count("clicks", where="event = 'click'", windows=["1h", "7d"]),
        agg.rate("ctr", numerator="clicks", denominator="impressions", prior=(1, 50), windows=["7d"]),
        agg.last_k("recent", "ad_id", k=3, windows=["7d"], timestamps=True),
    )
    return hr.AggregateView(
        **{"name": "user_ads", "entity": user, "source": events(), "features": list(made), **changes}
    )


def latest(*features: str, **changes: Any) -> hr.LatestView:
    return hr.LatestView(
        **{
            "name": "profile",
            "entity": user,
            "source": table(),
            "features": list(features or ("age", "interests")),
            **changes,
        }
    )
