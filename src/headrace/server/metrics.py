"""Metrics in Prometheus' text form: counted in each worker, added up by the one that is asked.

Each worker counts in plain dicts, which costs a request next to nothing, and writes what it has to a file of
its own in a directory that all share, at most once a second. Whoever is asked reads all of them. A file
outlives its worker, so that no sum ever falls; what a worker holds at the moment ends with it.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from headrace.clock import SECOND
from headrace.errors import HeadraceError
from headrace.online.ingestion import FRESHNESS
from headrace.server import ingest_metrics
from headrace.server.served_values import AGES, served_values
from headrace.telemetry import SECONDS, Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.clock import Clock
    from headrace.online.answer import OnlineFeatures
    from headrace.project import FeatureStore

__all__ = ["FAMILIES", "Metrics"]

_LOG = logging.getLogger("headrace.server")

_ENTITIES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0)
_OUTCOMES = ("accepted", "duplicates", "late", "rejected")


class _Family(NamedTuple):
    """Samples of one name: what they are, and the upper bounds of a histogram's buckets."""

    name: str
    kind: str
    about: str
    edges: Sequence[float] = ()


FAMILIES = (
    _Family("headrace_requests_total", "counter", "Requests answered."),
    _Family("headrace_request_seconds", "histogram", "Time until a request is answered.", SECONDS),
    _Family("headrace_requests_in_flight", "gauge", "Requests that are being answered."),
    _Family("headrace_request_entities", "histogram", "Entities a request asks about.", _ENTITIES),
    _Family("headrace_store_seconds", "histogram", "Time until the online store answers one look.", SECONDS),
    _Family("headrace_served_values_total", "counter", "Values served, of the answers looked at, by status."),
    _Family("headrace_served_age_seconds", "histogram", "Age of an entity's newest event as served.", AGES),
    _Family("headrace_result_cache_total", "counter", "Results of functions looked for in the cache."),
    _Family("headrace_result_cache_bytes", "gauge", "Bytes of results of functions that are kept."),
    _Family("headrace_served_log_rows_total", "counter", "Rows of the served log, by what became of them."),
    _Family("headrace_served_log_waiting", "gauge", "Entities whose answers wait to be logged."),
    _Family("headrace_consistency_compared", "gauge", "Values the newest consistency report compared."),
    _Family("headrace_consistency_mismatched", "gauge", "Those that differ from history, by cause."),
    _Family(
        "headrace_consistency_checked_seconds", "gauge", "When that report was made, seconds since 1970."
    ),
    _Family("headrace_copy_behind", "gauge", "Records that wait to be copied to what is served."),
    _Family("headrace_pushed_rows_total", "counter", "Rows pushed, by what became of them."),
    _Family("headrace_ingested_messages_total", "counter", "Messages of streams, by what became of them."),
    _Family("headrace_ingested_batches_total", "counter", "Batches they were taken in."),
    _Family("headrace_ingest_gaps_total", "counter", "Times a broker no longer had what should have come."),
    _Family(
        "headrace_ingest_failures_total", "counter", "Batches and brokers that failed and were tried again."
    ),
    _Family("headrace_ingest_waits", "gauge", "Workers that something keeps from ingesting."),
    _Family("headrace_ingest_behind", "gauge", "How far what is taken is behind, in what the stream counts."),
    _Family("headrace_ingest_visible_seconds", "histogram", "From an event until it is served.", FRESHNESS),
)
"""All there is, in the order told. Labels have few values: addresses, statuses, views, sources."""
_EDGES = {family.name: family.edges for family in FAMILIES}


class _Counts(msgspec.Struct):
    """What one worker counted.

    Attributes:
        counters: Sample, `name{labels}` -> its sum.
        histograms: Sample -> how many values by bucket, and last their sum.
        gauges: Sample -> what it is now.
    """

    counters: dict[str, float] = {}
    histograms: dict[str, list[float]] = {}
    gauges: dict[str, float] = {}

    def histogram(self, name: str, labels: str = "") -> Histogram:
        """A new histogram, told from now on."""
        new = Histogram(_EDGES[name])
        self.histograms[f"{name}{labels}"] = new.buckets
        return new

    def add(self, other: _Counts, *, alive: bool) -> None:
        """Add what another worker counted; what it holds too, if it is there still."""
        for sample, many in other.counters.items():
            self.counters[sample] = self.counters.get(sample, 0) + many
        for sample, buckets in other.histograms.items():
            own = self.histograms.get(sample)
            self.histograms[sample] = (
                buckets if own is None else [a + b for a, b in zip(own, buckets, strict=True)]
            )
        for sample, now in other.gauges.items() if alive else ():
            self.gauges[sample] = self.gauges.get(sample, 0) + now


class Metrics:
    """The counts of one worker, and the sum of all."""

    def __init__(
        self, directory: Path, clock: Clock, store: FeatureStore | None = None, look_at_every: int = 1
    ) -> None:
        """Count from nought.

        Args:
            directory: The workers' own; each has a file there.
            clock: Tells when to write.
            store: What it tells of itself is told too.
            look_at_every: Of so many answers one is looked at, for the statuses and ages of its values.
        """
        self._counts = _Counts()
        self._directory = directory
        self._clock = clock
        self._store = store
        self._look_at_every = look_at_every
        self._unseen = 0
        self._in_flight = 0
        self._write_at = 0
        self._samples: dict[tuple[str, int], str] = {}
        self._seconds: dict[str, Histogram] = {}
        self._ages: dict[str, Histogram] = {}
        self._entities = self._counts.histogram("headrace_request_entities")

    def began(self) -> None:
        """A request has come."""
        self._in_flight += 1

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._in_flight -= 1
        sample = self._samples.get((endpoint, status))
        if sample is None:
            sample = f'headrace_requests_total{{endpoint="{endpoint}",status="{status}"}}'
            self._samples[endpoint, status] = sample
            self._counts.counters[sample] = 0
        self._counts.counters[sample] += 1
        times = self._seconds.get(endpoint)
        if times is None:
            labels = f'{{endpoint="{endpoint}"}}'
            times = self._seconds[endpoint] = self._counts.histogram("headrace_request_seconds", labels)
        times.add(seconds)
        if self._clock.now() >= self._write_at:
            self.write()

    def asked(self, entities: int) -> None:
        """A request asks about so many entities."""
        self._entities.add(entities)

    def served(self, answer: OnlineFeatures) -> None:
        """Look at an answer, if its turn has come."""
        if self._unseen:
            self._unseen -= 1
            return
        self._unseen = self._look_at_every - 1
        for view, (statuses, ages) in served_values(answer).items():
            for status, many in statuses.items():
                self._count(f'headrace_served_values_total{{view="{view}",status="{status}"}}', many)
            if view not in self._ages:
                labels = f'{{view="{view}"}}'
                self._ages[view] = self._counts.histogram("headrace_served_age_seconds", labels)
            for age in ages:
                self._ages[view].add(age)

    def pushed(self, source: str, outcomes: Mapping[str, int]) -> None:
        """Rows were pushed to a source that there is, so that labels are as many as sources.

        Args:
            source: Its name.
            outcomes: How many rows were `accepted`, `duplicates`, `late`, `rejected` (quarantined).
        """
        for outcome in _OUTCOMES:
            sample = f'headrace_pushed_rows_total{{source="{source}",outcome="{outcome}"}}'
            self._count(sample, outcomes[outcome])

    def _count(self, sample: str, many: int) -> None:
        self._counts.counters[sample] = self._counts.counters.get(sample, 0) + many

    def write(self) -> None:
        """Let the other workers know."""
        self._write_at = self._clock.now() + SECOND
        self._counts.gauges["headrace_requests_in_flight"] = self._in_flight
        if self._store is not None:
            _ask(self._store, self._counts)
        path = self._directory / f"{os.getpid()}.json"
        new = path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(self._counts))
            new.replace(path)
        except OSError as error:  # a full disk costs counts, not answers
            _LOG.error("Metrics cannot be written: %s.", error.strerror)

    def text(self) -> bytes:
        """What all workers have written, as Prometheus reads it; another thread may ask."""
        total = _Counts()
        for path in sorted(self._directory.glob("*.json")):
            each = msgspec.json.decode(path.read_bytes(), type=_Counts)
            total.add(each, alive=_is_alive(int(path.stem)))
        with suppress(HeadraceError):
            if self._store is not None and (behind := self._store.copy_behind()) is not None:
                total.gauges["headrace_copy_behind"] = behind
        if self._store is not None and (report := self._store.last_consistency()) is not None:
            total.gauges.update(_consistency(report))
        if self._store is not None and (tallies := self._store.ingested()):
            total.counters.update(ingest_metrics.counters(tallies))
            total.gauges.update(ingest_metrics.gauges(tallies))
            total.histograms.update(
                (sample, list(each)) for sample, each in ingest_metrics.histograms(tallies)
            )
        lines = []
        for family in FAMILIES:
            lines += [
                f"# HELP {family.name} {family.about}",
                f"# TYPE {family.name} {family.kind}",
                *_lines(family, total),
            ]
        return "\n".join([*lines, ""]).encode()


def _ask(store: FeatureStore, counts: _Counts) -> None:
    """What a store tells of itself."""
    counts.histograms["headrace_store_seconds"] = store.store_waits.buckets
    cache, log = store.result_cache, store.logged
    counts.counters['headrace_result_cache_total{outcome="hit"}'] = cache.hits
    counts.counters['headrace_result_cache_total{outcome="miss"}'] = cache.misses
    counts.gauges["headrace_result_cache_bytes"] = cache.size
    if log is not None:
        for outcome in ("written", "dropped", "failed"):
            counts.counters[f'headrace_served_log_rows_total{{outcome="{outcome}"}}'] = getattr(log, outcome)
        counts.gauges["headrace_served_log_waiting"] = log.waiting


def _consistency(report: Mapping[str, Any]) -> dict[str, float]:
    """What a consistency report says: its span's values, not all since ever, so they are gauges."""
    found = {"headrace_consistency_checked_seconds": report["checked_at"] / SECOND}
    for view in report["views"]:
        labels = f'view="{view["view"]}"'
        found[f"headrace_consistency_compared{{{labels}}}"] = view["compared"]
        for cause, many in {"unexplained": 0, **view["causes"]}.items():
            found[f'headrace_consistency_mismatched{{{labels},cause="{cause}"}}'] = many
    return found


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _lines(family: _Family, counts: _Counts) -> list[str]:
    """The samples of a family."""
    if family.kind == "histogram":
        found = sorted(each for each in counts.histograms if each.partition("{")[0] == family.name)
        return [line for each in found for line in _histogram(each, family.edges, counts.histograms[each])]
    values = counts.counters if family.kind == "counter" else counts.gauges
    found = sorted(each for each in values if each.partition("{")[0] == family.name)
    return [f"{each} {values[each]:g}" if values[each] < 1e6 else f"{each} {values[each]}" for each in found]


def _histogram(sample: str, edges: Sequence[float], buckets: Sequence[float]) -> list[str]:
    """The lines of a histogram: its buckets add up from the left."""
    name, _, rest = sample.partition("{")
    labels = f"{rest[:-1]}," if rest else ""
    shown = f"{{{rest}" if rest else ""
    lines, so_far = [], 0
    for edge, count in zip([*map(str, edges), "+Inf"], buckets, strict=False):
        so_far += int(count)
        lines.append(f'{name}_bucket{{{labels}le="{edge}"}} {so_far}')
    return [*lines, f"{name}_sum{shown} {buckets[-1]}", f"{name}_count{shown} {so_far}"]
