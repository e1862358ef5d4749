"""The parts of a project: registry, engine, online store, what names stand for."""

from __future__ import annotations

import getpass
from functools import cached_property
from typing import TYPE_CHECKING

from headrace.clock import MonotonicClock
from headrace.current import Current
from headrace.definitions.loading import load_definitions
from headrace.wiring import (
    copy_behind,
    is_online_here,
    open_catalog,
    open_engine,
    open_keeper,
    open_online,
    open_serving,
)

if TYPE_CHECKING:
    from headrace.clock import Clock
    from headrace.config import Settings
    from headrace.definitions.base import Definition
    from headrace.online.keeping import Keeper
    from headrace.online.served_log import ServedLog
    from headrace.online.serving import Serving
    from headrace.ports.catalog import Catalog
    from headrace.ports.engine import Engine
    from headrace.ports.key_value import OneHost
    from headrace.registry.registry import Registry
    from headrace.resolution import Resolution
    from headrace.retrieval.isolated import IsolatedFunctions
    from headrace.retrieval.result_cache import ResultCache
    from headrace.served_requests import ServedRequests
    from headrace.training import TrainingSets

__all__ = ["Parts"]


class Parts:
    """What a project is made of; each part is opened by the first who needs it.

    Attributes:
        settings: The project's.
        clock: Tells the time.
    """

    def __init__(self, settings: Settings, clock: Clock, who: str | None) -> None:
        """Of a project.

        Args:
            settings: The project's.
            clock: Tells the time.
            who: Who acts; None for the user.
        """
        self.settings = settings
        self.clock = clock
        self._who = who
        self._given: tuple[Definition, ...] | None = None

    @cached_property
    def _catalog(self) -> Catalog:
        return open_catalog(self.settings)

    @cached_property
    def registry(self) -> Registry:
        """What is defined, in which version, since when and by whom."""
        from headrace.registry.registry import Registry

        return Registry(self._catalog, self.clock, self._who or getpass.getuser())

    @cached_property
    def engine(self) -> Engine:
        """What reads sources and computes history."""
        return open_engine(self.settings)

    @cached_property
    def online(self) -> OneHost:
        """What loads and pushes write to."""
        return open_online(self.settings, self.clock)

    @cached_property
    def serving(self) -> Serving:
        """What requests are answered from."""
        return open_serving(self.settings, self.clock, lambda: self.online)

    @property
    def keeper(self) -> Keeper | None:
        """What keeps the copy that is served from current; None where there is none."""
        return open_keeper(self.settings, lambda: self.online)

    def copy_behind(self) -> int | None:
        """How many records wait to be copied to what is served; None where none are, from this host."""
        return copy_behind(self.settings, lambda: self.online)

    @property
    def is_online_here(self) -> bool:
        """Whether this host has what loads and pushes write to; opening it would make it."""
        return is_online_here(self.settings)

    @cached_property
    def current(self) -> Current:
        """What names stand for by what the registry says now."""
        return Current(lambda: self.registry, self._requests)

    @property
    def names(self) -> Resolution:
        """What names stand for at this moment."""
        return self.current.now().names

    def _requests(self, counter: int) -> ServedRequests:
        from headrace.resolution import Resolution
        from headrace.served_requests import ServedRequests

        names = Resolution(self.registry, counter, self.settings.project.timezone, self.definitions)
        return ServedRequests(names, self.served_log, self.isolated, self.results)

    @cached_property
    def results(self) -> ResultCache:
        """What functions returned that say `cache`."""
        from headrace.retrieval.result_cache import ResultCache

        return ResultCache(MonotonicClock())

    @cached_property
    def isolated(self) -> IsolatedFunctions:
        """Where functions that say `isolate` run."""
        from headrace.retrieval.isolated import IsolatedFunctions

        return IsolatedFunctions(self.settings.directory, self.settings.project.definitions)

    @cached_property
    def served_log(self) -> ServedLog | None:
        """Where answers are logged; None where the settings name no place."""
        serving, project = self.settings.serving, self.settings.project
        if serving.log is None:
            return None
        from headrace.online.served_log import LogSettings, ServedLog

        chosen = LogSettings(
            serving.log,
            serving.log_sample,
            serving.log_by,
            serving.log_salt or project.name,
            serving.log_queue,
            serving.log_retention,
        )
        return ServedLog(chosen, self.clock)

    @property
    def training(self) -> TrainingSets:
        """What makes training sets, at the present instant."""
        from headrace.training import TrainingSets

        return TrainingSets(self.names, self.engine, self.settings, self.clock.now())

    def definitions(self) -> tuple[Definition, ...]:
        """The definitions that were given, else those of the project's files."""
        if self._given is None:
            self._given = load_definitions(self.settings.directory, self.settings.project.definitions)
        return self._given

    def give(self, definitions: tuple[Definition, ...]) -> None:
        """Add definitions to those known here."""
        self._given = (*(self._given or ()), *definitions)

    def close(self) -> None:
        """End workers, write what is to be logged, and let go of registry and online store."""
        if "isolated" in self.__dict__:
            self.isolated.close()
        for name in ("served_log", "serving", "online", "_catalog"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()
