"""Headrace: a feature store for ad models. Correct sliding windows, offline and online, from one definition.

The names here are the whole public surface; `headrace.agg` holds the aggregations, `headrace.errors` the errors. Importing it
loads no engine, store or driver: definitions are data.
"""

from __future__ import annotations

from typing import Any

from headrace import agg, errors
from headrace.definitions import rules
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.entity import Entity
from headrace.definitions.label import Label
from headrace.definitions.latest_view import LatestView
from headrace.definitions.on_demand import on_demand
from headrace.definitions.service import FeatureService
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.stream import JsonLinesStream, KafkaStream, Push, RedisStream
from headrace.windows import calendar, series, window

__all__ = [
    "AggregateView",
    "Entity",
    "EventSource",
    "FeatureService",
    "FeatureStore",
    "JsonLinesStream",
    "KafkaStream",
    "Label",
    "LatestView",
    "Push",
    "RedisStream",
    "TableSource",
    "agg",
    "calendar",
    "errors",
    "on_demand",
    "rules",
    "series",
    "window",
]


def __getattr__(name: str) -> Any:
    """The store, loaded when it is first asked for: it brings engines and drivers along."""
    if name == "FeatureStore":
        from headrace.project import FeatureStore

        return FeatureStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
