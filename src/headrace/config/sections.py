"""The sections and keys there are, and what is given for them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from headrace.config import values
from headrace.config.settings import Alerts, Monitoring, Offline, Online, Project, Registry, Serving

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SECTIONS", "SHORT", "Given", "Key", "Values", "all_keys", "nearest"]

_STATE = ".headrace"
"""The directory, inside the project's, that registry and online store live in unless told otherwise."""


class Key(NamedTuple):
    """How a key's value is read, and what stands for it when nobody gives one."""

    read: Callable[[Any], Any]
    default: str | dict[str, str] | None


SECTIONS: dict[str, tuple[type, dict[str, Key]]] = {
    "project": (
        Project,
        {
            "name": Key(values.text, None),
            "definitions": Key(values.texts, "features.py"),
            "timezone": Key(values.timezone, "UTC"),
        },
    ),
    "registry": (Registry, {"url": Key(values.url, f"sqlite:///{_STATE}/registry.db")}),
    "offline": (
        Offline,
        {
            "engine": Key(values.engine, "local"),
            "memory": Key(values.size, None),
            "master": Key(values.text, None),
            "partitions": Key(values.count, None),
            "spark": Key(values.table, {}),
        },
    ),
    "online": (
        Online,
        {
            "url": Key(values.url, f"lmdb:///{_STATE}/online"),
            "fallback": Key(values.url, None),
            "embedded": Key(values.url, f"lmdb:///{_STATE}/online"),
            "timeout": Key(values.seconds, "2"),
        },
    ),
    "serving": (
        Serving,
        {
            "max_body": Key(values.size, "4MB"),
            "max_entities": Key(values.count, "10000"),
            "request_timeout": Key(values.seconds, "30"),
            "log": Key(values.path, None),
            "log_sample": Key(values.share, "0.01"),
            "log_by": Key(values.names, ""),
            "log_salt": Key(values.text, None),
            "log_queue": Key(values.count, "100000"),
            "log_retention": Key(values.span, "30d"),
            "keys": Key(values.text, None),
            "jwt_keys": Key(values.text, None),
            "jwt_issuer": Key(values.text, None),
            "jwt_audience": Key(values.text, None),
            "rate": Key(values.rate, None),
            "cors": Key(values.origins, ""),
            "audit": Key(values.text, f"{_STATE}/audit.jsonl"),
            "look_at_every": Key(values.count, "64"),
            "messages": Key(values.messages, "text"),
            "tell_requests": Key(values.switch, "false"),
            "traces": Key(values.switch, "false"),
            "ingest": Key(values.switch, "false"),
        },
    ),
    "monitoring": (
        Monitoring,
        {
            "mismatches": Key(values.share, "0.001"),
            "mismatches_of": Key(values.shares, {}),
            "keep": Key(values.span, "2d"),
        },
    ),
    "alerts": (Alerts, {}),
}
"""Section -> its class, and its keys."""

SHORT = {"project": ("project", "name"), "definitions": ("project", "definitions")}
"""Keys that may stand at the top of the file."""


@dataclass(frozen=True)
class Given:
    """A value somebody wrote, and where."""

    value: Any
    where: str


Values: TypeAlias = dict[tuple[str, str], Given]
"""(section, key) -> what is given."""


def all_keys() -> list[tuple[str, str]]:
    """Every key with its section."""
    return [(section, key) for section, (_, keys) in SECTIONS.items() for key in keys]


def nearest(name: str, known: list[str]) -> list[str]:
    """The names that come near, else all."""
    return difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
