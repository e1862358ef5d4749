"""Headrace: a feature store for ad models. Correct sliding windows, offline and online, from one definition.

The names in `__all__` are the whole public surface: `hr.agg` holds the aggregations, `hr.rules` the rules,
`hr.errors` the errors. Each is loaded when it is first asked for, so that `import headrace` costs next to
nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace import agg, errors
    from headrace.client.client import Client
    from headrace.definitions import rules
    from headrace.definitions.aggregate_view import AggregateView
    from headrace.definitions.entity import Entity
    from headrace.definitions.label import Label
    from headrace.definitions.latest_view import LatestView
    from headrace.definitions.message_form import Avro, Protobuf
    from headrace.definitions.on_demand import on_demand
    from headrace.definitions.service import FeatureService
    from headrace.definitions.source import EventSource, TableSource
    from headrace.definitions.stream import JsonLinesStream, KafkaStream, Push, RedisStream
    from headrace.project import FeatureStore
    from headrace.windows import calendar, series, window

__all__ = [
    "AggregateView",
    "Avro",
    "Client",
    "Entity",
    "EventSource",
    "FeatureService",
    "FeatureStore",
    "JsonLinesStream",
    "KafkaStream",
    "Label",
    "LatestView",
    "Protobuf",
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

_MODULES = {"agg": "headrace.agg", "errors": "headrace.errors", "rules": "headrace.definitions.rules"}
_HOMES = {
    "AggregateView": "headrace.definitions.aggregate_view",
    "Avro": "headrace.definitions.message_form",
    "Client": "headrace.client.client",
    "Entity": "headrace.definitions.entity",
    "EventSource": "headrace.definitions.source",
    "FeatureService": "headrace.definitions.service",
    "FeatureStore": "headrace.project",
    "JsonLinesStream": "headrace.definitions.stream",
    "KafkaStream": "headrace.definitions.stream",
    "Label": "headrace.definitions.label",
    "LatestView": "headrace.definitions.latest_view",
    "Protobuf": "headrace.definitions.message_form",
    "Push": "headrace.definitions.stream",
    "RedisStream": "headrace.definitions.stream",
    "TableSource": "headrace.definitions.source",
    "calendar": "headrace.windows",
    "on_demand": "headrace.definitions.on_demand",
    "series": "headrace.windows",
    "window": "headrace.windows",
}


def __getattr__(name: str) -> Any:
    """A public name, loaded from where it lives the first time and found in place from then on."""
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names and what every module has."""
    return sorted({*globals(), *__all__})
