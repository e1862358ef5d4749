"""Headrace's side, through its public contract: a project directory, `apply`, and the verbs a user calls.

What the contract promises but the package does not offer yet makes a side "not there yet" in the table; any
other error is a failure and is shown as one.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.experiment import NotThereYetError
from bench.inputs import START_US, US_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from bench.inputs import Inputs

MEMORY_MB: Final = 2_000
"""The budget that every project of the bench is given; the growth experiment holds the peak against it."""

PROJECT: Final = """\
[project]
name = "bench"
definitions = "features.py"

[offline]
memory = "{memory}MB"
"""

DEFINITIONS: Final = """\
import headrace as hr
from headrace import agg

W = {windows}

user = hr.Entity("user", join_keys={{"user_id": "{key}"}})
log = hr.EventSource(
    "log",
    batch="{events}",
    schema={{
        "user_id": "{key}", "ts": "timestamp", "price": "double", "event": "string", "ad_id": "{key}"{more}
    }},
    timestamp="ts",{knowledge}
)
view = hr.AggregateView("view", entity=user, source=log, version="1", features=[
    {features}
])
"""

KNOWLEDGE: Final = '\n    available_at="available_at",\n    event_id="event_id",'
KNOWLEDGE_COLUMNS: Final = ', "available_at": "timestamp", "event_id": "string"'

COUNT: Final = {"events": 'agg.count("events", windows=W)'}
CLICKS: Final = {"clicks": """agg.count("clicks", where="event = 'click'", windows=W)"""}
SPEND: Final = {"spend": 'agg.sum("spend", "price", windows=W)'}
FEATURES: Final[dict[str, dict[str, str]]] = {
    "plain": {**COUNT, **SPEND, **CLICKS},
    "count": COUNT,
    "sum": SPEND,
    "min": {"least": 'agg.min("least", "price", windows=W)'},
    "last_k": {"ads": 'agg.last_k("ads", "ad_id", k=20, windows=W)'},
    "by": {"seen": 'agg.count("seen", by="ad_id", windows=W)'},
    "distinct": {"kinds": 'agg.distinct("kinds", "ad_id", windows=W)'},
    "ten": {
        **COUNT,
        **SPEND,
        **CLICKS,
        "mean": 'agg.mean("mean", "price", windows=W)',
        "least": 'agg.min("least", "price", windows=W)',
        "most": 'agg.max("most", "price", windows=W)',
        "spread": 'agg.stddev("spread", "price", windows=W)',
        "first": 'agg.first("first", "price", windows=W)',
        "last": 'agg.last("last", "price", windows=W)',
        "ctr": 'agg.rate("ctr", numerator="clicks", denominator="events", prior=(1, 50), windows=W)',
    },
}
"""Named sets of aggregations: the name of each and how a user writes it."""

WINDOWS: Final = ("1h", "1d", "7d", "30d")

PROFILES: Final = """\
import headrace as hr

user = hr.Entity("user", join_keys={{"user_id": "int64"}})
table = hr.TableSource("table", batch="{profiles}", timestamp="updated_at")
view = hr.LatestView("view", entity=user, source=table, version="1", ttl="3650d", features=[
    {features}
])
"""


def require() -> None:
    """Say what is missing before anything is drawn or measured.

    Raises:
        NotThereYetError: The package has no FeatureStore so far.
    """
    try:
        importlib.import_module("headrace").FeatureStore  # noqa: B018 - public names load when they are asked for
    except (AttributeError, ImportError) as error:
        raise NotThereYetError(f"headrace.FeatureStore: {error}") from error


def windowed(
    inputs: Inputs, *, features: str = "plain", windows: Sequence[str] = WINDOWS
) -> Callable[[], pa.Table]:
    """Historical features of a named set for every spine row; files are read, as the rivals do."""
    store, names = _store_of_events(inputs, features, windows)
    return _historical(store, inputs, names)


def latest(inputs: Inputs) -> Callable[[], pa.Table]:
    """The newest profile before each spine row's instant, all columns."""
    store, names = _store_of_profiles(inputs)
    return _historical(store, inputs, names)


def _historical(store: Any, inputs: Inputs, names: Sequence[str]) -> Callable[[], pa.Table]:
    """Every spine row's features; the rivals too return them without the spine's own columns."""

    def join() -> pa.Table:
        found: pa.Table = store.get_historical_features(
            str(inputs.spine), features=names, timestamp="ts"
        ).to_arrow()
        return found.select([name for name in found.column_names if name not in {"user_id", "ts"}])

    return join


def read_latest(inputs: Inputs, *, entities: int = 1) -> Callable[[], dict[str, list[Any]]]:
    """One in-process read of all profile columns for `entities` users, after a load of the whole table."""
    store, names = loaded_profiles(inputs)
    return _reader(store, names, inputs, entities)


def read_windowed(inputs: Inputs, *, entities: int = 1) -> Callable[[], dict[str, list[Any]]]:
    """One in-process read of ten aggregates over four windows, full of tiles, for `entities` users."""
    store, names = loaded_events(inputs)
    return _reader(store, names, inputs, entities)


def loaded_profiles(inputs: Inputs) -> tuple[Any, list[str]]:
    """A project with the profiles in its online store, and the references of all columns."""
    store, names = _store_of_profiles(inputs)
    store.materialize(end=end_of(inputs).isoformat())
    return store, names


def loaded_events(inputs: Inputs) -> tuple[Any, list[str]]:
    """A project with ten aggregates over four windows in its online store, and the references of all."""
    store, names = _store_of_events(inputs, "ten", WINDOWS)
    store.materialize(end=end_of(inputs).isoformat())
    return store, names


def end_of(inputs: Inputs) -> datetime:
    """The end of the log, up to which it is loaded."""
    return datetime.fromtimestamp(START_US / US_PER_SECOND, tz=UTC) + timedelta(days=inputs.log.span_days)


def full_instant(inputs: Inputs) -> str:
    """An instant inside the first hop after the log's end: every window is full, the newest too."""
    return (end_of(inputs) + timedelta(minutes=4)).isoformat()


def _reader(
    store: Any, names: Sequence[str], inputs: Inputs, entities: int
) -> Callable[[], dict[str, list[Any]]]:
    t = full_instant(inputs)
    users = itertools.cycle(range(inputs.log.users))
    asked = itertools.cycle([[next(users) for _ in range(entities)] for _ in range(inputs.log.users)])

    def read() -> dict[str, list[Any]]:
        answer = store.get_online_features(features=names, entities={"user_id": next(asked)}, as_of=t)
        document: dict[str, list[Any]] = answer.to_dict()
        return document

    return read


def _store_of_events(inputs: Inputs, features: str, windows: Sequence[str]) -> tuple[Any, list[str]]:
    names = [f"view:{name}_{window}" for name in FEATURES[features] for window in windows]
    return applied(inputs.cache, definitions_of_events(inputs, features, windows)), names


def _store_of_profiles(inputs: Inputs) -> tuple[Any, list[str]]:
    return applied(inputs.cache, definitions_of_profiles(inputs)), references_of_profiles(inputs)


def references_of_profiles(inputs: Inputs) -> list[str]:
    """What all columns of the profiles are called in requests."""
    return [f"view:{column}" for column in columns_of_profiles(inputs)]


def definitions_of_events(inputs: Inputs, features: str, windows: Sequence[str]) -> str:
    """The text of `features.py` for a named set of aggregations over the log."""
    log = inputs.log
    return DEFINITIONS.format(
        windows=list(windows),
        events=inputs.events.resolve(),
        key="string" if log.string_keys else "int64",
        more=KNOWLEDGE_COLUMNS if log.knowledge else "",
        knowledge=KNOWLEDGE if log.knowledge else "",
        features=",\n    ".join(FEATURES[features].values()),
    )


def definitions_of_profiles(inputs: Inputs) -> str:
    """The text of `features.py` for the newest row of every user."""
    columns = ", ".join(repr(column) for column in columns_of_profiles(inputs))
    return PROFILES.format(profiles=inputs.profiles.resolve(), features=columns)


def columns_of_profiles(inputs: Inputs) -> list[str]:
    """The columns of the profiles."""
    return [f"v{i:02d}" for i in range(inputs.profile_columns)]


def applied(cache: Path, definitions: str, memory: int = MEMORY_MB) -> Any:
    """A fresh project directory with these definitions, applied; the budget is in megabytes."""
    headrace = importlib.import_module("headrace")
    home = cache / "projects" / hashlib.sha256(definitions.encode()).hexdigest()[:12]
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "headrace.toml").write_text(PROJECT.format(memory=memory))
    (home / "features.py").write_text(definitions)
    store = headrace.FeatureStore(home)
    store.apply()
    return store
