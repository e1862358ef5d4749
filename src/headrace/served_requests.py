"""What answers requests by one state of the registry: made once for each list of features, and kept."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from headrace.definitions.references import parse_reference
from headrace.definitions.service import FeatureService
from headrace.errors import HeadraceError
from headrace.online.layout import EPOCH
from headrace.online.serve import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.online.served_log import ServedLog
    from headrace.resolution import Chosen, Resolution
    from headrace.retrieval.isolated import IsolatedFunctions
    from headrace.retrieval.result_cache import ResultCache

__all__ = ["Request", "ServedRequests"]

Key = TypeVar("Key")

MOST_REQUESTS = 1_000
"""How many different lists of features are kept ready; beyond that those go that were first asked for."""


class Request(NamedTuple):
    """What is asked for, as people write it.

    Attributes:
        features: References, or a service; None where a service is named.
        service: A service; None where features are listed.
        full: Whether names are `view__feature`.
    """

    features: tuple[str, ...] | str | FeatureService | None
    service: str | FeatureService | None
    full: bool

    @classmethod
    def of(
        cls,
        features: Sequence[str] | FeatureService | None,
        service: str | FeatureService | None,
        *,
        full: bool,
    ) -> Request:
        """A request that may be looked up.

        Raises:
            DefinitionError: A feature or the service is no text.
        """
        if isinstance(features, Iterable) and not isinstance(features, (str, FeatureService)):
            features = tuple(features)
        named = features if isinstance(features, tuple) else (features,)
        if {*map(type, named), type(service)} - {str, type(None)}:
            for each in (*named, service):
                if not (each is None or isinstance(each, (str, FeatureService))):
                    parse_reference(each)  # says what a reference is
        return cls(features, service, bool(full))


class ServedRequests:
    """What answers requests.

    Attributes:
        names: What names stand for, at the state of the registry that this is of.
    """

    def __init__(
        self,
        names: Resolution,
        log: ServedLog | None = None,
        isolated: IsolatedFunctions | None = None,
        results: ResultCache | None = None,
    ) -> None:
        """By one resolution.

        Args:
            names: The resolution.
            log: Where answers are logged; None for nowhere.
            isolated: Where functions that say `isolate` run; None for here.
            results: Where what functions return that say `cache` is kept; None for nowhere.
        """
        self.names = names
        self._log = log
        self._isolated = isolated
        self._results = results
        self._requests: dict[Request, Served] = {}
        self._served: dict[tuple[Chosen, bool], Served] = {}

    def ready(self, request: Request) -> Served | None:
        """What answers a request, if it was asked for before."""
        return self._requests.get(request)

    def served(self, request: Request) -> Served:
        """What answers a request; made once.

        Raises:
            DataError: Neither or both are given, or the list is empty.
            UnknownNameError: One does not exist.
            DefinitionError: A text is no reference, or two outputs share a name.
            StoreError: The code of an on-demand feature is not the code that was applied.
        """
        found = self._requests.get(request)
        if found is None:
            found = self._chosen(self.names.choose(request.features, request.service), full=request.full)
            _keep(self._requests, request, found)
        return found

    def make_ready(self, before: ServedRequests) -> None:
        """Make what was asked for before, as far as there is still such a thing."""
        for request in list(before._requests):
            with suppress(HeadraceError):  # whoever asks is told
                self.served(request)

    def _chosen(self, chosen: Chosen, *, full: bool) -> Served:
        """What answers requests for what is chosen; the same however it was asked for."""
        key = (chosen, full)
        found = self._served.get(key)
        if found is None:
            names = self.names
            plan = names.retrieval(chosen, full=full)
            log = None if self._log is None else self._log.of(plan, chosen.service, names.counter)
            found = Served(plan, EPOCH, names.earlier, log, self._results, self._isolated)
            _keep(self._served, key, found)
        return found


def _keep(made: dict[Key, Served], key: Key, new: Served) -> None:
    """Keep what was made, and no more than there is room for."""
    if len(made) >= MOST_REQUESTS:
        made.pop(next(iter(made)), None)
    made[key] = new
