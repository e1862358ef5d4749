"""What a project's settings hold, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.clock import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Alerts", "Monitoring", "Offline", "Online", "Project", "Registry", "Serving", "Settings"]


@dataclass(frozen=True)
class Project:
    """What the project is called and where its definitions are.

    Attributes:
        name: Its name.
        definitions: The Python files with the definitions: paths, globs or directories inside the project.
        timezone: The zone of local days, weeks and months, an IANA name.
    """

    name: str
    definitions: tuple[str, ...]
    timezone: str = "UTC"


@dataclass(frozen=True)
class Registry:
    """Where the registry is.

    Attributes:
        url: As SQLAlchemy writes it; a SQLite path is absolute.
    """

    url: str = field(repr=False)


@dataclass(frozen=True)
class Offline:
    """What computes history.

    Attributes:
        engine: `local` or `spark`.
        memory: The memory it may use, bytes; None lets the engine decide.
        master: Where Spark runs; None for this machine, all its cores.
        partitions: How many parts Spark deals entities into; None for two for each core.
        spark: Further settings, as Spark names them.
    """

    engine: str = "local"
    memory: int | None = None
    master: str | None = None
    partitions: int | None = None
    spark: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Online:
    """Where features are served from.

    Attributes:
        url: `lmdb:///path` (absolute), or a copy of the embedded store: `redis://`, `rediss://` (TLS),
            `redis+cluster://` or `rediss+cluster://`.
        fallback: Where to read while `url` cannot be reached, `lmdb:///path`; None for nowhere.
        embedded: The store of this host that loads and pushes write to, where `url` is a copy of it.
        timeout: Seconds until an answer of Redis is given up.
    """

    url: str = field(repr=False)
    fallback: str | None = field(default=None, repr=False)
    embedded: str = field(default="", repr=False)
    timeout: float = 2.0


@dataclass(frozen=True)
class Serving:
    """The server.

    Attributes:
        max_body: Bytes of the largest request taken.
        max_entities: How many entities one request may ask about.
        request_timeout: Seconds in which a request must have come whole.
        log: The directory of the served log, absolute; None for no log.
        log_sample: The share of entities whose answers are logged, 0 to 1.
        log_by: The join keys whose entities those are; empty for those of a request's first feature.
        log_salt: What their choice depends on; None for the project's name.
        log_queue: How many entities' answers may wait to be logged.
        log_retention: How long the log is kept, microseconds.
        keys: The file of API keys; None for no keys.
        jwt_keys: A file or URL of the keys that sign tokens (JWKS); None for no tokens.
        jwt_issuer: Who signs them.
        jwt_audience: What they call this server.
        rate: Requests a second that one caller may make; None for any number.
        cors: Origins whose pages may ask.
        audit: The file that says who wrote what.
        look_at_every: Of so many answers one is looked at for the metrics of its values.
        messages: The form of what the server says on its error stream: "text" or "json".
        tell_requests: Whether it says a line for each request.
        traces: Whether it sends spans to an OpenTelemetry collector.
        ingest: Whether it follows the streams of sources too, in a process beside those that answer.
    """

    max_body: int = 4_000_000
    max_entities: int = 10_000
    request_timeout: float = 30.0
    log: Path | None = None
    log_sample: float = 0.01
    log_by: tuple[str, ...] = ()
    log_salt: str | None = field(default=None, repr=False)
    log_queue: int = 100_000
    log_retention: int = 30 * DAY
    keys: str | None = None
    jwt_keys: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    rate: float | None = None
    cors: tuple[str, ...] = ()
    audit: str = ".headrace/audit.jsonl"
    look_at_every: int = 64
    messages: str = "text"
    tell_requests: bool = False
    traces: bool = False
    ingest: bool = False


@dataclass(frozen=True)
class Monitoring:
    """Drift, freshness and consistency.

    Attributes:
        mismatches: The share of a view's served values that may differ from history, 0 to 1.
        mismatches_of: The same for single views, by name.
        keep: How long what streams brought is kept to explain mismatches, where there is a served log,
            microseconds.
    """

    mismatches: float = 0.001
    mismatches_of: Mapping[str, float] = field(default_factory=dict, hash=False)
    keep: int = 2 * DAY


@dataclass(frozen=True)
class Alerts:
    """Who is told of what monitoring finds; it has no keys yet."""


@dataclass(frozen=True)
class Settings:
    """Everything that `headrace.toml` and the environment say.

    Attributes:
        directory: The project's directory, absolute.
        project: Section `[project]`; each of the others likewise.
    """

    directory: Path
    project: Project
    registry: Registry
    offline: Offline
    online: Online
    serving: Serving
    monitoring: Monitoring
    alerts: Alerts
