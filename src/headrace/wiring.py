"""Wiring: settings become adapters. The only module that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.config import path_of
from headrace.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.clock import Clock
    from headrace.config import Settings
    from headrace.ports.catalog import Catalog
    from headrace.ports.engine import Engine
    from headrace.ports.key_value import OneHost
    from headrace.stores.lmdb import LmdbStore

__all__ = ["open_catalog", "open_engine", "open_online", "open_trial", "open_trial_store"]


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


def open_online(settings: Settings, clock: Clock, *, readonly: bool = False) -> LmdbStore:
    """Where features are served from.

    Raises:
        StoreError: It cannot be opened.
    """
    path = path_of(settings.online.url)
    if not settings.online.url.startswith("lmdb:") or path is None:
        raise StoreError(
            "There is no online store of this kind yet.",
            available=["lmdb:///path"],
            remedy='Set [online] url = "lmdb:///.headrace/online".',
        )
    from headrace.stores.lmdb import LmdbStore

    return LmdbStore(path, readonly=readonly, clock=clock)


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
