"""Metrics in Prometheus' text form: counted in each worker, added up by the one that is asked.

Each worker counts in plain dicts, which costs a request next to nothing, and writes what it has to a file of
its own in a directory that all share, at most once a second. Whoever is asked reads all of them. A file
outlives its worker, so that no sum ever falls.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec

from headrace.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from headrace.clock import Clock

__all__ = ["Metrics"]

_LOG = logging.getLogger("headrace.server")

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ENTITIES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0)


_OUTCOMES = ("accepted", "duplicates", "late", "rejected")


class _Counts(msgspec.Struct):
    """What one worker counted.

    Attributes:
        requests: "endpoint status" -> requests.
        seconds: Endpoint -> requests by bucket of latency, and last their seconds.
        entities: Requests by bucket of entities asked about, and last their sum.
        pushed: "source outcome" -> rows of pushes.
    """

    requests: dict[str, int] = {}
    seconds: dict[str, list[float]] = {}
    entities: list[float] = msgspec.field(default_factory=lambda: [0.0] * (len(_ENTITIES) + 2))
    pushed: dict[str, int] = {}


class Metrics:
    """The counts of one worker, and the sum of all."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        """Count from nought.

        Args:
            directory: The workers' own; each has a file there.
            clock: Tells when to write.
        """
        self._counts = _Counts()
        self._directory = directory
        self._clock = clock
        self._write_at = 0

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered."""
        counts, key = self._counts, f"{endpoint} {status}"
        counts.requests[key] = counts.requests.get(key, 0) + 1
        buckets = counts.seconds.get(endpoint)
        if buckets is None:
            buckets = counts.seconds[endpoint] = [0.0] * (len(_SECONDS) + 2)
        buckets[bisect_left(_SECONDS, seconds)] += 1
        buckets[-1] += seconds
        if self._clock.now() >= self._write_at:
            self.write()

    def asked(self, entities: int) -> None:
        """A request asks about so many entities."""
        buckets = self._counts.entities
        buckets[bisect_left(_ENTITIES, entities)] += 1
        buckets[-1] += entities

    def pushed(self, source: str, outcomes: Mapping[str, int]) -> None:
        """Rows were pushed to a source that there is, so that labels are as many as sources.

        Args:
            source: Its name.
            outcomes: How many rows were `accepted`, `duplicates`, `late`, `rejected` (quarantined).
        """
        for outcome in _OUTCOMES:
            key = f"{source} {outcome}"
            self._counts.pushed[key] = self._counts.pushed.get(key, 0) + outcomes[outcome]

    def write(self) -> None:
        """Let the other workers know."""
        self._write_at = self._clock.now() + SECOND
        path = self._directory / f"{os.getpid()}.json"
        new = path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(self._counts))
            new.replace(path)
        except OSError as error:  # a full disk costs counts, not answers
            _LOG.error("Metrics cannot be written: %s.", error.strerror)

    def text(self) -> bytes:
        """What all workers counted, as Prometheus reads it."""
        self.write()
        requests: dict[str, int] = {}
        seconds: dict[str, list[float]] = {}
        entities = [0.0] * (len(_ENTITIES) + 2)
        pushed: dict[str, int] = {}
        for path in sorted(self._directory.glob("*.json")):
            each = msgspec.json.decode(path.read_bytes(), type=_Counts)
            for key, count in each.requests.items():
                requests[key] = requests.get(key, 0) + count
            for endpoint, buckets in each.seconds.items():
                seconds[endpoint] = _added(seconds.get(endpoint), buckets)
            entities = _added(entities, each.entities)
            for key, count in each.pushed.items():
                pushed[key] = pushed.get(key, 0) + count
        lines = [
            "# HELP headrace_requests_total Requests answered.",
            "# TYPE headrace_requests_total counter",
        ]
        for key, count in sorted(requests.items()):
            endpoint, _, status = key.rpartition(" ")
            lines.append(f'headrace_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}')
        name = "headrace_request_seconds"
        lines += [f"# HELP {name} Time until a request is answered.", f"# TYPE {name} histogram"]
        for endpoint, buckets in sorted(seconds.items()):
            lines += _histogram(name, f'endpoint="{endpoint}"', _SECONDS, buckets)
        name = "headrace_request_entities"
        lines += [f"# HELP {name} Entities a request asks about.", f"# TYPE {name} histogram"]
        lines += _histogram(name, "", _ENTITIES, entities)
        name = "headrace_pushed_rows_total"
        lines += [f"# HELP {name} Rows pushed, by what became of them.", f"# TYPE {name} counter"]
        for key, count in sorted(pushed.items()):
            source, _, outcome = key.rpartition(" ")
            lines.append(f'{name}{{source="{source}",outcome="{outcome}"}} {count}')
        return "\n".join([*lines, ""]).encode()


def _added(one: list[float] | None, other: list[float]) -> list[float]:
    return other if one is None else [a + b for a, b in zip(one, other, strict=True)]


def _histogram(name: str, labels: str, edges: tuple[float, ...], buckets: list[float]) -> list[str]:
    """The lines of a histogram: its buckets add up from the left."""
    before = f"{labels}," if labels else ""
    lines, so_far = [], 0
    for edge, count in zip([*map(str, edges), "+Inf"], buckets, strict=False):
        so_far += int(count)
        lines.append(f'{name}_bucket{{{before}le="{edge}"}} {so_far}')
    shown = f"{{{labels}}}" if labels else ""
    return [*lines, f"{name}_sum{shown} {buckets[-1]}", f"{name}_count{shown} {so_far}"]
