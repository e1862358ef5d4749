"""What a project's settings hold, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
        url: `lmdb:///path` (absolute); URLs of other kinds of store are kept, and refused when it is opened.
        fallback: Where to read when `url` cannot be reached, None for nowhere; nothing reads it yet.
    """

    url: str = field(repr=False)
    fallback: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Serving:
    """The server; it has no keys yet."""


@dataclass(frozen=True)
class Monitoring:
    """Drift, freshness and consistency; it has no keys yet."""


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
