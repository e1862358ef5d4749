"""Ingestion, from names to streams: the sources of a project that have one are followed."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.definitions.stream import KafkaStream, Push
from headrace.errors import DataError, HeadraceError, StoreError
from headrace.online.ingestion import Ingestion
from headrace.online.manifest import read_manifest
from headrace.online.shares import Share
from headrace.online.tallies import Tally, TallyFile
from headrace.trouble import Trouble
from headrace.wiring import open_locks, open_seats, open_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from headrace.definitions.source import Source
    from headrace.online.ingestion import Counts
    from headrace.online.source import SourceStream
    from headrace.parts import Parts

__all__ = ["Ingested", "follow", "following", "ingest_once", "streams_of"]

_LOG = logging.getLogger("headrace.ingest")

_MARGIN = 3_600_000_000
"""How much earlier than what views have loaded a stream is begun, microseconds: clocks differ."""
_ENDING = 30.0
"""Seconds that a batch under way is waited for in the end."""
_LOOKING = 1.0
"""Seconds between two looks at what there is to follow, and two times that what was counted is told."""
_QUIET = 1.0
"""Seconds without any message after which a stream that does not know its end has come to it."""


class Ingested(NamedTuple):
    """What came of a source's stream.

    Attributes:
        source: The source.
        accepted: Events that entered the states of at least one view.
        duplicates: Copies of events seen before.
        late: Events that a served generation should hold already.
        rejected: Messages and rows that went to quarantine.
        batches: How many batches there were.
        gaps: How often the broker no longer had what should have come.
    """

    source: str
    accepted: int
    duplicates: int
    late: int
    rejected: int
    batches: int
    gaps: int

    @classmethod
    def of(cls, source: str, tally: Tally) -> Ingested:
        """What has been counted."""
        came = Counter(tally.messages)
        return cls(
            source,
            came["accepted"],
            came["duplicates"],
            came["late"],
            came["rejected"],
            tally.batches,
            tally.gaps,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, as JSON values."""
        return self._asdict()


def streams_of(parts: Parts, sources: Sequence[str] | None) -> list[Source]:
    """The sources that have a stream to follow.

    Args:
        parts: The project's.
        sources: Their names; None for all there are.

    Raises:
        UnknownNameError: There is no such source.
        DataError: One that is named has no stream, or none but pushes.
    """
    names = parts.names
    if sources is None:
        all_ = [names.of_source(name)[0] for name in names.source_names()]
        return [each for each in all_ if _is_followed(each)]
    found = [names.of_source(name)[0] for name in sources]
    for each in found:
        if not _is_followed(each):
            raise DataError(
                f"Source {each.name!r} has no stream to follow.",
                asked=each.name,
                available=[other.name for other in streams_of(parts, None)],
                remedy="Give it stream=hr.KafkaStream(..), hr.RedisStream(..) or hr.JsonLinesStream(..).",
            )
    return found


def _is_followed(source: Source) -> bool:
    return source.has_stream and not isinstance(getattr(source, "stream", None), Push)


def _ingestion(parts: Parts, source: Source) -> Ingestion:
    name, stream = source.name, getattr(source, "stream", None)

    def takes() -> SourceStream:
        return parts.names.stream(name)

    def since() -> int:
        """Nothing known before K will be wanted, and known is never after the message came."""
        _, views = parts.names.of_source(name)
        manifest = read_manifest(parts.online)
        horizon = int(getattr(source, "dedup_horizon", 0))
        return min((manifest.of(view.id).known for view in views), default=0) - horizon - _MARGIN

    return Ingestion(
        name,
        lambda: open_stream(parts.settings, source),
        takes,
        parts.online,
        Share(open_locks(parts.settings, name)),
        parts.clock,
        since,
        f"{stream.topic}/" if isinstance(stream, KafkaStream) else "",
    )


@contextmanager
def counting(parts: Parts, file: Path | None) -> Iterator[TallyFile]:
    """While the block runs, what is ingested is counted in a file for the servers of the host to tell.

    Args:
        parts: The project's.
        file: The file, where the seat was taken by who started this process.

    Raises:
        StoreError: Too many processes ingest here.
    """
    if file is not None:
        yield TallyFile(file)
        return
    seats = open_seats(parts.settings)
    file = seats.take()
    try:
        yield TallyFile(file)
    finally:
        seats.leave(file)


@contextmanager
def following(
    parts: Parts, sources: Sequence[str] | None = None, file: Path | None = None
) -> Iterator[Mapping[str, Counts]]:
    """While the block runs, streams are followed, each by a thread; new ones too, once they are applied.

    Args:
        parts: The project's.
        sources: Names of sources; None for all that have a stream.
        file: Where to count, as of `counting`.

    Yields:
        What is counted of each.

    Raises:
        UnknownNameError: There is no such source.
        DataError: One that is named has no stream.
        StoreError: Too many processes ingest here.
    """
    with counting(parts, file) as tally:
        all_ = _Following(parts, sources, tally)
        try:
            all_.begin()
            yield all_.counts
        finally:
            all_.end()


class _Lane:
    """A stream that is followed, by a thread of its own."""

    def __init__(self, parts: Parts, source: Source) -> None:
        self.stream = getattr(source, "stream", None)
        self.ingestion = _ingestion(parts, source)
        self._done = threading.Event()
        name = f"headrace-ingest-{source.name}"
        self._thread = threading.Thread(target=self.ingestion.run, args=(self._done,), name=name, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Tell it to end; `wait` waits until it has."""
        self._done.set()

    def wait(self) -> None:
        self._thread.join(_ENDING)


class _Following:
    """The streams that are followed, as the registry has them from moment to moment.

    Attributes:
        counts: What is counted of each source.
    """

    def __init__(self, parts: Parts, sources: Sequence[str] | None, tally: TallyFile) -> None:
        self.counts: dict[str, Counts] = {}
        self._parts = parts
        self._sources = sources
        self._tally = tally
        self._lanes: dict[str, _Lane] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="headrace-ingest", daemon=True)
        self._trouble = Trouble(
            _LOG, "Ingestion goes on by what the registry said before", "The registry can be read again."
        )

    def begin(self) -> None:
        """Follow what there is, and look after it.

        Raises:
            HeadraceError: A source that is named cannot be followed.
        """
        self._look()
        self._thread.start()

    def end(self) -> None:
        """Finish the batches in hand."""
        self._done.set()
        if self._thread.is_alive():  # nobody begins or ends another lane from here on
            self._thread.join()
        for lane in self._lanes.values():
            lane.end()
        for lane in self._lanes.values():
            lane.wait()
        self._tally.write(self.counts)

    def _look_after(self) -> None:
        while not self._done.wait(_LOOKING):
            try:
                self._look()
                self._trouble.tell("")
            except HeadraceError as error:
                self._trouble.tell(str(error))
            except Exception:  # noqa: BLE001 - it goes on: nobody else would look
                self._trouble.fail()
            self._tally.write(self.counts)

    def _look(self) -> None:
        """Follow streams that are new, and no more those that are gone or have become others."""
        wanted = {each.name: each for each in streams_of(self._parts, self._sources)}
        for name, lane in list(self._lanes.items()):
            if name not in wanted or getattr(wanted[name], "stream", None) != lane.stream:
                lane.end()
                lane.wait()
                del self._lanes[name]
        for name, source in wanted.items():
            if name not in self._lanes:
                self._lanes[name] = lane = _Lane(self._parts, source)
                lane.ingestion.counts = self.counts.setdefault(name, lane.ingestion.counts)
                lane.begin()


def follow(
    parts: Parts, sources: Sequence[str] | None, done: threading.Event, file: Path | None = None
) -> list[Ingested]:
    """Follow streams until told to end; what came of them."""
    with following(parts, sources, file) as counts:
        done.wait()
    return [Ingested.of(name, Tally.of(each)) for name, each in counts.items()]


def ingest_once(parts: Parts, sources: Sequence[str] | None) -> list[Ingested]:
    """Take what streams have now, one after another.

    Raises:
        StoreError: A broker, or the store, cannot be reached or used.
    """
    lanes = {each.name: _ingestion(parts, each) for each in streams_of(parts, sources)}
    counts = {name: lane.counts for name, lane in lanes.items()}
    with counting(parts, None) as tally:
        try:
            return [_until_now(lane) for lane in lanes.values()]
        finally:
            tally.write(counts)


def _until_now(lane: Ingestion) -> Ingested:
    try:
        while (count := lane.step(_QUIET if lane.behind() is None else 0.0)) != 0 or lane.behind():
            if count is None:
                raise StoreError(
                    f"The stream of {lane.source!r} cannot be taken: {lane.counts.trouble.text}",
                    asked=lane.source,
                    remedy="What was taken is kept; run it again.",
                )
    finally:
        lane.close()
    return Ingested.of(lane.source, Tally.of(lane.counts))
