"""Ingestion: what a stream brings goes into the states of its source's views, batch by batch.

Whatever fails, a broker that is away, a disk that is full, a process that is killed, the way back is the
same: read on from what the online store says was taken. A batch is in the store wholly or not at all, so
nothing is lost and nothing counts twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from headrace.clock import SECOND
from headrace.errors import HeadraceError
from headrace.online.partitions import progress_of, take_over
from headrace.telemetry import Histogram
from headrace.trouble import Trouble

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from headrace.clock import Clock
    from headrace.online.ingest import Pushed
    from headrace.online.partitions import Part
    from headrace.online.shares import Share
    from headrace.ports.event_stream import EventStream, Messages
    from headrace.ports.key_value import OneHost

__all__ = ["FRESHNESS", "Counts", "Ingestion", "Taken", "Takes"]

_LOG = logging.getLogger("headrace.ingest")

FRESHNESS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)
"""Upper bounds of the histogram of how old events are when they become visible, seconds."""
_WAIT = 0.1
"""Seconds that messages are waited for at once; then others get a look."""
_LEAST, _MOST = 256, 65_536
"""Messages that are taken at once: few while there are few, many while the stream is ahead."""
_SHORT, _LONG = 0.25, 1.0
"""Seconds in which a batch should be taken: with less, the next may be larger."""
_SHARING = 1.0
"""Seconds between two looks at who else is there."""
_REST = 0.1, 5.0
"""Seconds of rest after a failure, at first and at most."""


class Taken(NamedTuple):
    """What became of a batch.

    Attributes:
        pushed: How many of its messages did what.
        times: The event times of some of its events, microseconds UTC.
    """

    pushed: Pushed
    times: list[int]


class Takes(Protocol):
    """What takes batches of a source's stream."""

    def take(self, store: OneHost, messages: Messages, part: Part, now: int) -> Taken:
        """Take a batch into the store.

        Raises:
            ConflictError: Another worker has taken the partition over.
        """
        ...

    def refuse(self, store: OneHost, messages: Messages, part: Part, reason: str, now: int) -> None:
        """Put a batch into quarantine, unread."""
        ...


class Counts:
    """What a worker has done for one source.

    Attributes:
        messages: How many came to what: `accepted`, `duplicates`, `late`, `rejected`.
        batches: How many batches were taken.
        gaps: How often the broker no longer had what should have come.
        failures: How often a batch, or the broker, failed and was tried again.
        visible: How old events were when they became visible, seconds.
        behind: How far each partition that is read here is behind, in what its stream counts.
        trouble: What stands in the way at present.
    """

    def __init__(self, source: str) -> None:
        """Nothing yet, of a source."""
        self.messages: Counter[str] = Counter()
        self.batches = 0
        self.gaps = 0
        self.failures = 0
        self.visible = Histogram(FRESHNESS)
        self.behind: Mapping[str, int | None] = {}
        self.trouble = Trouble(_LOG, f"Ingestion of {source!r} waits", f"Ingestion of {source!r} goes on.")


class Ingestion:
    """Takes what falls to this worker of one source's stream.

    Attributes:
        source: The source's name.
        counts: What was done.
    """

    def __init__(
        self,
        source: str,
        stream: Callable[[], EventStream],
        takes: Callable[[], Takes],
        store: OneHost,
        share: Share,
        clock: Clock,
        since: Callable[[], int],
        place: str = "",
    ) -> None:
        """For one source.

        Args:
            source: Its name.
            stream: Opens its stream.
            takes: What takes batches, by the definitions of the moment.
            store: The online store.
            share: What of the stream falls to this worker.
            clock: Tells the time.
            since: From which instant messages are wanted where none was ever taken, microseconds UTC.
            place: What the store knows partitions by besides their names: positions of another place that
                has the same names mean nothing here.
        """
        self.counts = Counts(source)
        self.source = source
        self._open = stream
        self._takes = takes
        self._store = store
        self._share = share
        self._clock = clock
        self._since = since
        self._place = place
        self._stream: EventStream | None = None
        self._parts: dict[str, Part] = {}
        self._single: Counter[str] = Counter()  # of a partition, how many messages to take one by one
        self._astray = False  # whether more was read than was taken
        self._limit = _LEAST
        self._look_at = 0.0
        self._rest = _REST[0]

    def run(self, done: threading.Event) -> None:
        """Take batches until told to end."""
        try:
            while not done.is_set():
                if self.step() is None:
                    done.wait(self._rest)
                    self._rest = min(self._rest * 2, _REST[1])
                elif not self._parts:  # all fall to others
                    done.wait(_SHARING)
        finally:
            self.close()

    def step(self, wait: float = _WAIT) -> int | None:
        """Take what is there; say how many messages, or None where something failed: it is tried again."""
        try:
            count = self._step(wait)
        except HeadraceError as error:
            self._failed(str(error))
            return None
        except Exception:  # noqa: BLE001 - it goes on: nobody else would take what comes
            self._failed()
            return None
        self._rest = _REST[0]
        self.counts.trouble.tell("")
        return count

    def behind(self) -> int | None:
        """How far the partitions that are read here are behind; None if that cannot be told of all."""
        stream = self._stream
        if stream is None:
            return None
        found = [stream.behind(name) for name in self._parts]
        return None if None in found else sum(each for each in found if each)

    def close(self) -> None:
        """Let go of the partitions and the broker."""
        for name in list(self._parts):
            self._drop(name)
        self.counts.behind = {}
        self._share.leave()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _step(self, wait: float) -> int:
        if self._stream is None:
            self._stream = self._open()
        if self._astray:
            self._begin_again(self._stream)
        if time.monotonic() >= self._look_at:
            self._take_share(self._stream)
            self._look_at = time.monotonic() + _SHARING
        self._astray = True  # until all that was read is taken
        count = 0
        for messages in self._stream.take(1 if self._single else self._limit, wait):
            part = self._parts.get(messages.partition)
            if part is not None:
                self._take(self._stream, messages, part)
                count += len(messages.values)
        self._astray = False
        return count

    def _take_share(self, stream: EventStream) -> None:
        """Begin what falls to this worker and end what does not."""
        names = stream.partitions()
        mine = self._share.of(names)
        for name in self._parts.keys() - mine:
            self._drop(name)
        for name in names:
            if name in mine and name not in self._parts and self._share.take(name):
                self._astray = True
                self._parts[name] = part = take_over(self._store, self.source, self._place + name)
                stream.begin(name, part.after, self._since())
        self.counts.behind = {name: stream.behind(name) for name in self._parts}

    def _begin_again(self, stream: EventStream) -> None:
        """Read on from what the store says was taken; leave what others have taken over."""
        for name, part in list(self._parts.items()):
            progress = progress_of(self._store, self.source, part.number)
            stream.end(name)
            if progress.writer == part.writer:
                stream.begin(name, progress.after, self._since())
            else:
                _LOG.warning("Partition %s of %r has been taken over by another worker.", name, self.source)
                self._drop(name)
        self._astray = False

    def _drop(self, name: str) -> None:
        if self._stream is not None:
            self._stream.end(name)
        self._parts.pop(name, None)
        self._single.pop(name, None)
        self._share.let_go(name)

    def _take(self, stream: EventStream, messages: Messages, part: Part) -> None:
        name, begun, many = messages.partition, time.monotonic(), len(messages.values)
        try:
            taken = self._takes().take(self._store, messages, part, self._clock.now())
        except HeadraceError:
            raise
        except Exception as error:
            if many > 1:  # which of them it is shows when they come one by one
                self._single[name] = many
                raise
            _LOG.exception("A message of %r cannot be taken: %s.", self.source, messages.places[0])
            self._refuse(messages, part, error)
        else:
            self._count(messages, taken)
        if name in self._single:
            self._single[name] -= many
            self._single = +self._single
        stream.done(name, messages.after)
        self._adapt(many, time.monotonic() - begun)

    def _refuse(self, messages: Messages, part: Part, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._takes().refuse(self._store, messages, part, reason, self._clock.now())
        self.counts.messages["rejected"] += len(messages.values)

    def _count(self, messages: Messages, taken: Taken) -> None:
        counts, pushed, now = self.counts, taken.pushed, self._clock.now()
        counts.batches += 1
        counts.messages.update(
            accepted=pushed.accepted,
            duplicates=pushed.duplicates,
            late=pushed.late,
            rejected=pushed.rejected,
        )
        for at in taken.times:
            counts.visible.add(max(now - at, 0) / SECOND)
        if messages.gap:
            counts.gaps += 1
            _LOG.error("Before %s of %r: %s.", messages.places[0], self.source, messages.gap)

    def _adapt(self, taken: int, took: float) -> None:
        """Take more at once while there is more, as long as a batch stays short."""
        if took > _LONG:
            self._limit = max(self._limit // 2, _LEAST)
        elif took < _SHORT and taken == self._limit:
            self._limit = min(self._limit * 2, _MOST)

    def _failed(self, trouble: str = "") -> None:
        """Note what stands in the way; without a text, the exception in hand, which nobody expects."""
        self.counts.failures += 1
        self._look_at = 0.0
        if trouble:
            self.counts.trouble.tell(trouble)
        else:
            self.counts.trouble.fail("it failed; see the log")
