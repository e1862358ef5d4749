"""What cacheable functions returned, kept a while, by all that they were given (ADR 0031).

An entry's key holds the function with the hashes of its code, the entity, and the value of each parameter,
written out with its type. A changed latest value, another context or another version is another key; what the
time to live bounds is the memory, and how long a function that is not pure would be believed.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import SECOND
from headrace.kernel.binding import LatestBinding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.clock import Clock
    from headrace.definitions.on_demand import OnDemandFeature
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["Kept", "Recall", "ResultCache", "lifetimes"]

NEGATIVE = SECOND // 5
"""Microseconds that a null is kept at most."""
MOST_BYTES = 64 * 1024 * 1024
_LARGEST = 64 * 1024
"""Bytes of the largest entry kept."""
_OWN = 400
"""Bytes that an entry takes besides its key and value, about."""


class Kept(NamedTuple):
    """What a function returned.

    Attributes:
        value: The value.
        until: The instant from which on it does not count, by the cache's clock.
        size: Bytes it takes, about.
    """

    value: Any
    until: int
    size: int


class ResultCache:
    """Results of functions; the one used longest ago goes first where memory ends. Threads may share it.

    Attributes:
        hits: How many results were found.
        misses: How many were not.
        size: Bytes that are held, about.
    """

    def __init__(self, clock: Clock, most_bytes: int = MOST_BYTES) -> None:
        """An empty one.

        Args:
            clock: A clock that never goes back.
            most_bytes: How much memory it may take, about.
        """
        self._clock = clock
        self._most = most_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = Lock()
        self.hits = self.misses = self.size = 0

    def __len__(self) -> int:
        """How many results are kept."""
        return len(self._kept)

    def get(self, key: str) -> Kept | None:
        """What is kept for a key; None for nothing."""
        now = self._clock.now()
        with self._lock:
            found = self._kept.get(key)
            if found is None or now >= found.until:
                self.misses += 1
                return None
            self.hits += 1
            self._kept.move_to_end(key)
            return found

    def put(self, key: str, value: Any, lifetime: int) -> None:
        """Keep a value.

        Args:
            key: See `Recall.key`.
            value: What was returned; nobody changes it any more.
            lifetime: Microseconds; a null is kept 200 ms at most.
        """
        size = _OWN + sys.getsizeof(key) + _size(value)
        if size > min(_LARGEST, self._most):
            return
        until = self._clock.now() + (min(lifetime, NEGATIVE) if value is None else lifetime)
        with self._lock:
            before = self._kept.pop(key, None)
            self.size += size - (0 if before is None else before.size)
            self._kept[key] = Kept(value, until, size)
            while self.size > self._most:
                self.size -= self._kept.popitem(last=False)[1].size


class Recall(NamedTuple):
    """What a request's functions may take from a cache.

    Attributes:
        cache: The cache.
        lifetimes: `name@version` -> microseconds, for the functions whose results are kept; see `lifetimes`.
        entities: The rows' entities, by their encoded keys.
    """

    cache: ResultCache
    lifetimes: Mapping[str, int]
    entities: Sequence[object]

    def key(self, function: OnDemandFeature, row: int, values: Mapping[str, Any]) -> str | None:
        """The key of a call; None if its result is not kept.

        Values are those of Arrow's types: `repr` tells all of them apart, 1 from True, 1.0 and "1" too.
        """
        if str(function.reference) not in self.lifetimes:
            return None
        given = [(name, values[name]) for name in sorted(values)]
        return repr(
            (str(function.reference), function.source_hash, function.module_hash, self.entities[row], given)
        )


def lifetimes(plan: RetrievalPlan) -> dict[str, int]:
    """How long results may be kept, for the plan's functions that say `cache` and may.

    Those may that read request fields and latest values only, directly or by other functions, and no
    `request_time`. The smallest of the times to live involved counts.

    Returns:
        `name@version` -> microseconds.
    """
    bounds: dict[str, list[int] | None] = {}
    for function in plan.functions:
        own: list[int] | None = None if function.takes_request_time else []
        for view, name in plan.inputs[str(function.reference)].values():
            inner = bounds[name] if view < 0 else _bound(plan.views[view].binding)
            own = None if own is None or inner is None else [*own, *inner]
        if own is not None and function.cache is not None:
            own.append(int(function.cache))
        bounds[str(function.reference)] = own
    return {
        str(each.reference): min(found)
        for each in plan.functions
        if each.cache is not None and (found := bounds[str(each.reference)]) is not None
    }


def _bound(binding: object) -> list[int] | None:
    """The time to live of a view's values; None where they may not be kept."""
    if not isinstance(binding, LatestBinding):
        return None
    return [] if binding.ttl is None else [int(binding.ttl)]


def _size(value: Any) -> int:
    """The bytes that a value takes, about."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = (*value, *value.values())
    elif isinstance(value, (list, tuple)):
        parts = value
    return sys.getsizeof(value) + sum(map(_size, parts))
