"""Wiring: settings become adapters. The only module that names them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from headrace.config import path_of, without_password
from headrace.definitions.stream import JsonLinesStream, KafkaStream, RedisStream
from headrace.errors import StoreError
from headrace.extras import needing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headrace.clock import Clock
    from headrace.config import Settings
    from headrace.definitions.source import Source
    from headrace.online.copying import CopiedStore
    from headrace.online.keeping import Keeper
    from headrace.online.serving import Serving
    from headrace.online.shares import Locks
    from headrace.online.tallies import Seats
    from headrace.ports.catalog import Catalog
    from headrace.ports.engine import Engine
    from headrace.ports.event_stream import EventStream
    from headrace.ports.key_value import AsyncReader, OneHost
    from headrace.stores.lmdb import LmdbStore
    from headrace.stores.redis import RedisStore

_ONLINE = {
    "lmdb": "lmdb",
    "redis": "redis",
    "rediss": "redis",
    "redis+cluster": "redis",
    "rediss+cluster": "redis",
}

__all__ = [
    "open_catalog",
    "open_engine",
    "open_keeper",
    "open_locks",
    "open_online",
    "open_seats",
    "open_serving",
    "open_stream",
    "open_trial",
    "open_trial_store",
]


def open_catalog(settings: Settings) -> Catalog:
    """Where definitions are kept.

    Raises:
        StoreError: It cannot be opened.
    """
    from headrace.catalogs.sql import SqlCatalog

    return SqlCatalog(settings.registry.url)


def open_engine(settings: Settings) -> Engine:
    """What reads sources and computes history."""
    from headrace.engines.local.engine import LocalEngine

    offline = settings.offline
    local = LocalEngine(settings.directory, offline.memory)
    if offline.engine == "local":
        return local
    from headrace.engines.spark.engine import SparkEngine

    return SparkEngine(
        settings.directory,
        local,
        master=offline.master,
        memory=offline.memory,
        partitions=offline.partitions,
        settings=offline.spark,
    )


def open_online(settings: Settings, clock: Clock) -> OneHost:
    """What loads and pushes write to: the embedded store, and the copy that is served from if there is one.

    Raises:
        StoreError: It cannot be opened.
    """
    online = settings.online
    if _kind(online.url) == "lmdb":
        return _embedded(online.url, clock)
    from headrace.online.copying import CopiedStore
    from headrace.stores.turn import Turn

    store, path = _embedded(online.embedded, clock), path_of(online.embedded)
    assert path is not None  # noqa: S101 - it could not have been opened
    return CopiedStore(store, _copy(settings, clock, vouched=False), clock, Turn(path / "copying.lock"))


def open_keeper(settings: Settings, online: Callable[[], OneHost]) -> Keeper | None:
    """What keeps the copy current; None where there is none.

    On a host that has no embedded store it does nothing: another host writes.

    Args:
        settings: The project's.
        online: Opens what is written to.
    """
    from headrace.online.keeping import Keeper
    from headrace.stores.turn import Turn

    path = path_of(settings.online.embedded)
    if _kind(settings.online.url) == "lmdb" or path is None:
        return None
    return Keeper(partial(_copied, online), Turn(path / "keeping.lock").if_free)


def copy_behind(settings: Settings, online: Callable[[], OneHost]) -> int | None:
    """How many records wait to be copied; None where there is no copy, or no embedded store on this host.

    Args:
        settings: The project's.
        online: Opens what is written to.
    """
    if _kind(settings.online.url) == "lmdb" or not is_online_here(settings):
        return None
    return _copied(online).behind()


def is_online_here(settings: Settings) -> bool:
    """Whether this host has what loads and pushes write to; where a copy is served from, another may."""
    path = path_of(settings.online.embedded)
    return _kind(settings.online.url) == "lmdb" or (path is not None and path.is_dir())


def _copied(online: Callable[[], OneHost]) -> CopiedStore:
    from headrace.online.copying import CopiedStore

    store = online()
    assert isinstance(store, CopiedStore)  # noqa: S101 - the URL says so
    return store


def open_serving(settings: Settings, clock: Clock, online: Callable[[], OneHost]) -> Serving:
    """What requests are answered from.

    Args:
        settings: The project's.
        clock: Tells the time.
        online: Opens what is written to; only asked where that is what is served from.

    Raises:
        StoreError: It cannot be opened.
    """
    from headrace.online.serving import CopyServing, EmbeddedServing

    if _kind(settings.online.url) == "lmdb":
        return EmbeddedServing(online())
    fallback = settings.online.fallback
    copy = _copy(settings, clock, vouched=True)

    def reads() -> AsyncReader:
        from headrace.stores.redis_async import RedisReads

        return RedisReads(copy)

    return CopyServing(
        copy,
        reads,
        clock,
        None if fallback is None else EmbeddedServing(_embedded(fallback, clock)),
    )


def _copy(settings: Settings, clock: Clock, *, vouched: bool) -> RedisStore:
    with needing("redis", "redis", "The driver of Redis"):
        from headrace.drivers.redis_connecting import Patience
        from headrace.stores.redis import RedisStore
    online = settings.online
    # whoever reads has somebody waiting, and perhaps a fallback
    patience = Patience(timeout=online.timeout, attempts=1 if vouched else 3)
    return RedisStore(online.url, settings.project.name, clock=clock, patience=patience, vouched=vouched)


def _embedded(url: str, clock: Clock) -> LmdbStore:
    path = path_of(url)
    if not url.startswith("lmdb:") or path is None:
        raise StoreError(
            "This is no embedded store.",
            asked=without_password(url),
            available=["lmdb:///path"],
            remedy='Set [online] embedded, and fallback, to a URL such as "lmdb:///.headrace/online".',
        )
    from headrace.stores.lmdb import LmdbStore

    return LmdbStore(path, clock=clock)


def _kind(url: str) -> str:
    """The kind of an online store."""
    scheme = url.partition(":")[0]
    kind = _ONLINE.get(scheme)
    if kind is None:
        raise StoreError(
            "There is no online store of this kind.",
            asked=without_password(url),
            available=[f"{each}://" for each in _ONLINE],
            remedy='Set [online] url to one of them, such as "lmdb:///.headrace/online".',
        )
    return kind


def open_stream(settings: Settings, source: Source) -> EventStream:
    """What brings a source's events.

    Raises:
        StoreError: Its driver is not installed.
    """
    stream = getattr(source, "stream", None)
    if isinstance(stream, JsonLinesStream):
        from headrace.streams.json_lines import JsonLinesFile

        return JsonLinesFile(settings.directory / stream.path)
    group = f"headrace-{settings.project.name}-{source.name}"
    if isinstance(stream, KafkaStream):
        from headrace.streams.kafka_opening import open_topic

        return open_topic(stream.topic, stream.brokers, group, os.environ)
    if isinstance(stream, RedisStream):
        from headrace.streams.redis_streams_opening import open_redis_stream

        return open_redis_stream(stream, group, os.environ)
    raise StoreError(
        f"The stream of source {source.name!r} cannot be followed.",
        asked=getattr(stream, "form", None),
        available=["json_lines", "kafka", "redis"],
        remedy="Push its events.",
    )


def open_locks(settings: Settings, source: str) -> Locks:
    """What tells who of several workers on this host reads which partition of a source's stream."""
    from headrace.stores.locks import FileLocks

    return FileLocks(_embedded_path(settings) / "ingest" / quote(source, safe=""))


def open_seats(settings: Settings) -> Seats:
    """Where the processes that ingest on this host count what they do."""
    from headrace.online.tallies import Seats
    from headrace.stores.locks import FileLocks

    directory = _embedded_path(settings) / "ingested"
    return Seats(directory, FileLocks(directory))


def _embedded_path(settings: Settings) -> Path:
    """The directory of the store that is written to."""
    online = settings.online
    path = path_of(online.url if _kind(online.url) == "lmdb" else online.embedded)
    assert path is not None  # noqa: S101 - the store is opened there
    return path


def open_trial(directory: Path) -> tuple[Catalog, Engine]:
    """A catalog and an engine to try definitions with, whatever the settings say; nothing is kept.

    Args:
        directory: What relative paths of sources are relative to.
    """
    from headrace.catalogs.sql import SqlCatalog
    from headrace.engines.local.engine import LocalEngine

    return SqlCatalog("sqlite://"), LocalEngine(directory)


def open_trial_store(clock: Clock) -> OneHost:
    """An empty online store to try definitions with; it is gone with the process."""
    from headrace.stores.memory import MemoryStore

    return MemoryStore(clock)
