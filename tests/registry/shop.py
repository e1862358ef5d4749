"""A small advertising project, written as users write it, in the documents that a registry takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import headrace as hr
from headrace import agg
from headrace.definitions.canonical import document, freeze
from headrace.definitions.graph import gather
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.view import View
from headrace.schema import parse_type

if TYPE_CHECKING:
    from headrace.definitions.base import Definition
    from headrace.definitions.canonical import Document
    from headrace.definitions.feature import FeatureDefinition

SCHEMA = {"user_id": "string", "ts": "timestamp", "event": "string", "price": "double"}


class Project(NamedTuple):
    """Definitions as a registry takes them: `registry.plan(*project)`."""

    documents: list[Document]
    features: list[FeatureDefinition]


def project(*definitions: Definition) -> Project:
    gathered = gather(definitions)
    features: list[FeatureDefinition] = []
    for each in gathered:
        if isinstance(each, View):
            features += each.outputs({**each.source.schema, "hour": parse_type("int64")})
        elif isinstance(each, OnDemandFeature):
            features.append(each.definition)
    return Project([document(freeze(each)) for each in gathered], features)


def user() -> hr.Entity:
    return hr.Entity("user", join_keys={"user_id": "string"}, description="somebody who sees ads")


def interactions(*, batch: str = "events/*.parquet", **schema: str) -> hr.EventSource:
    return hr.EventSource(
        "ad_interactions",
        batch=batch,
        schema={**SCHEMA, **schema},
        timestamp="ts",
        columns={"hour": "date_part('hour', ts)"},
        owner="data@example.com",
        tags=["raw"],
    )


def user_ads(
    version: str = "1",
    *,
    windows: tuple[str, ...] = ("1d", "7d"),
    where: str = "event = 'click'",
    owner: str = "ads@example.com",
    source: hr.EventSource | None = None,
) -> hr.AggregateView:
    return hr.AggregateView(
        "user_ads",
        entity=user(),
        source=source or interactions(),
        version=version,
        owner=owner,
        tags=["user", "performance"],
        update_frequency="real_time",
        features=[
            agg.count("clicks", where=where, windows=list(windows)),
            agg.count("impressions", windows=["7d"], tags=["volume"], owner="volume@example.com"),
            agg.rate(
                "ctr",
                numerator="clicks",
                denominator="impressions",
                windows=["7d"],
                prior=(1, 50),
                description="smoothed click rate",
                rules=[hr.rules.range(min=0, max=1)],
            ),
            agg.sum("spend", "price", windows=["7d"]),
        ],
    )


@hr.on_demand(
    inputs={"clicks": "user_ads:clicks_7d"}, request={"bid": "double"}, output="double", tags=["request"]
)
def weighted_bid(clicks: int, bid: float) -> float:
    """How much a bid is worth to a user who clicks that often."""
    return clicks * bid


def ctr_model(view: hr.AggregateView, version: str = "1") -> hr.FeatureService:
    return hr.FeatureService(
        "ctr_model", version=version, features=[view["ctr_7d", "clicks_7d"], weighted_bid]
    )


def shop() -> Project:
    """All of it, in version 1."""
    view = user_ads()
    return project(view, ctr_model(view))
