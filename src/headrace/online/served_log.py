"""The served log: what some entities were answered, written beside the requests.

A request chooses among its entities, by a hash of keys that it has encoded anyway, and where one is chosen
leaves a reference to its answer; it never waits. A thread looks after the log some times a second: it makes
rows of the answers, and files of the rows. What waits is bounded, and what does not fit is counted. A process
that is killed loses what waits and what is not in a file yet, half a minute's rows; one that closes loses
nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import uuid
from collections import deque
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from pyarrow import ArrowException

from headrace.online.logged_entities import LoggedEntities
from headrace.online.served_erasing import ErasedNote, erase_from, without_erased
from headrace.online.served_files import expire, hour_of, merge, name_of, write
from headrace.online.served_rows import Answered, RowForm, SavedRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from headrace.clock import Clock
    from headrace.online.answer import OnlineFeatures
    from headrace.online.erased import Erased
    from headrace.online.read import Read
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["AnswerLog", "LogCounts", "LogSettings", "ServedLog"]

_LOG = logging.getLogger("headrace.served_log")

_LOOKS = 0.25
"""Seconds between two looks at what waits."""
_SECONDS = 30.0
"""The longest that rows wait for a file of theirs."""
_ROWS = 2_000
"""From how many rows of one form on they are written; few, so that the work is done in short pieces."""


class LogSettings(NamedTuple):
    """How answers are logged.

    Attributes:
        directory: Where the files go.
        share: The share of entities that are logged.
        by: The join keys whose entities those are; empty for those of a request's first feature.
        salt: What their choice depends on.
        queue: How many entities' answers may wait.
        retention: How long files are kept, microseconds.
    """

    directory: Path
    share: float
    by: tuple[str, ...]
    salt: str
    queue: int
    retention: int


class LogCounts(NamedTuple):
    """What became of the rows of this process.

    Attributes:
        written: Are in files.
        dropped: Found no room among those that wait.
        failed: Could not be made or written.
        waiting: Entities whose answers wait, those that are not logged included.
    """

    written: int
    dropped: int
    failed: int
    waiting: int


class AnswerLog:
    """Logs the answers for one list of features."""

    def __init__(self, log: ServedLog, form: RowForm, names: tuple[str, ...], chosen: LoggedEntities) -> None:
        """Into a log.

        Args:
            log: The log.
            form: What rows are like.
            names: The join keys whose entity a row is chosen by.
            chosen: Chooses among them.
        """
        self._log = log
        self._form = form
        self._names = names
        self._chosen = chosen

    def take(
        self,
        keys: Mapping[tuple[str, ...], Sequence[bytes | None]],
        answer: OnlineFeatures,
        read: Read,
        request: Mapping[str, Sequence[Any]],
        now: int,
    ) -> None:
        """Log what is chosen of an answer; see `Answered`."""
        mine = keys.get(self._names, ())
        rows = self._chosen.rows(mine)
        if rows:
            self._log.put(Answered(self._form, rows, now, keys, answer, read, request), len(mine))


class ServedLog:
    """The log of one process.

    Attributes:
        directory: Where its files go.
    """

    def __init__(self, settings: LogSettings, clock: Clock) -> None:
        """Nothing is opened before the first row.

        Args:
            settings: How answers are logged.
            clock: Tells which files are too old.
        """
        self.directory = settings.directory
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._dropped = 0
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Begin as a process that has logged nothing."""
        self._process = os.getpid()
        self._worker = uuid.uuid4().hex[:16]
        self._numbers = count()
        self._waiting: deque[tuple[Answered, int]] = deque()
        self._held = 0
        self._wake = threading.Event()
        self._looking = threading.Lock()
        self._asked: list[threading.Event] = []
        self._saved: dict[tuple[RowForm, str], SavedRows] = {}
        self._since = 0.0
        self._hours: set[str] = set()
        self._tidied = ""
        self._erased = ErasedNote(self.directory)
        self._written = self._failed = 0
        self._thread: threading.Thread | None = None

    def of(self, plan: RetrievalPlan, service: str | None, registry: int) -> AnswerLog:
        """The log of the answers for one list of features.

        Args:
            plan: The features.
            service: The service that names them, `name@version`; None for a list.
            registry: The registry's counter.
        """
        kinds = [tuple(each.binding.keys) for each in plan.views]
        by = frozenset(self._settings.by)
        names = next((each for each in kinds if by == set(each)), kinds[0] if kinds else ())
        chosen = LoggedEntities(self._settings.share, self._settings.salt, names)
        return AnswerLog(self, RowForm(plan, service, registry), names, chosen)

    def put(self, answered: Answered, entities: int) -> None:
        """Leave an answer to be logged; one that finds no room is dropped.

        Args:
            answered: The answer.
            entities: How many it is about.
        """
        with self._lock:
            if self._process != os.getpid():  # a fork has neither the thread nor a right to what waits
                self._begin()
            if self._closed or (self._held and self._held + entities > self._settings.queue):
                self._dropped += len(answered.rows)
                return
            self._held += entities
            self._waiting.append((answered, entities))
            if self._thread is None:
                self._start()
        if 2 * self._held > self._settings.queue:
            self._wake.set()

    def flush(self) -> None:
        """Return when all that was left until now is in files."""
        with self._lock:
            if self._thread is None or self._process != os.getpid():
                return
            done = threading.Event()
            self._asked.append(done)
        self._wake.set()
        done.wait()

    def close(self) -> None:
        """Write what was left until now, and end; what comes after is dropped."""
        with self._lock:
            self._closed = True
            thread = self._thread if self._process == os.getpid() else None
        if thread is not None:
            self._wake.set()
            thread.join()
        atexit.unregister(self.close)

    @property
    def counts(self) -> LogCounts:
        """What became of the rows of this process."""
        return LogCounts(self._written, self._dropped, self._failed, self._held)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave what waits waiting while the block runs."""
        with self._looking:
            yield

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="headrace-served-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    # --- the thread ---

    def _run(self) -> None:
        closed = False
        while not closed:
            self._wake.wait(_LOOKS)
            self._wake.clear()
            with self._lock:
                closed, asked = self._closed, self._asked
                self._asked = []
            with self._looking:
                self._take_all()
            if self._saved and (closed or asked or time.monotonic() - self._since > _SECONDS):
                for form, hour in list(self._saved):
                    self._write(form, hour)
                self._tidy()
            for each in asked:
                each.set()

    def _take_all(self) -> None:
        """Make rows of all that waits now; more may come meanwhile, without an end."""
        for _ in range(len(self._waiting)):
            answered, entities = self._waiting.popleft()
            try:
                self._save(answered)
            except Exception:  # noqa: BLE001 - whatever one answer holds, the log goes on
                self._failed += len(answered.rows)
                _LOG.exception("An answer could not be logged.")
            with self._lock:
                self._held -= entities

    def _save(self, answered: Answered) -> None:
        if not self._saved:
            self._since = time.monotonic()
        form, hour = answered.form, hour_of(answered.now)
        saved = self._saved.setdefault((form, hour), SavedRows(form))
        saved.add(answered, f"{self._worker}-{next(self._numbers):06}")
        if len(saved) >= _ROWS:
            self._write(form, hour)

    def _write(self, form: RowForm, hour: str) -> None:
        """Write the rows of a form and hour into a file of their own."""
        saved = self._saved.pop((form, hour))
        number = next(self._numbers)
        path = self.directory / hour / name_of(self._worker, number, number)
        try:
            erased = self._erased.read()
            rows = without_erased(saved.table(), erased)
            if rows.num_rows:
                write(path, rows)
                self._look_again(path, erased)
        except Exception:  # noqa: BLE001 - a full disk, or values that no column holds: the log goes on
            self._failed += len(saved)
            _LOG.exception(
                "%s rows of the served log could not be written to %s.", len(saved), self.directory
            )
        else:
            self._written += len(saved)
            self._hours.add(hour)

    def _look_again(self, path: Path, erased: Erased) -> None:
        """Erase from a file whoever was erased meanwhile: who did may have looked before it was there."""
        now = self._erased.read()
        if now is not erased:
            erase_from(path, now)

    def _tidy(self) -> None:
        """Once an hour: put the files of hours that have ended together, remove those that are too old."""
        now = self._clock.now()
        if self._tidied == hour_of(now):
            return
        self._tidied = hour_of(now)
        for hour in sorted(each for each in self._hours if each < hour_of(now)):
            self._hours.remove(hour)
            try:
                erased = self._erased.read()
                merged = merge(self.directory / hour, self._worker, partial(without_erased, erased=erased))
                if merged is not None:
                    self._look_again(merged, erased)
            except (OSError, ArrowException):
                _LOG.exception("The files of hour %s of the served log stay apart.", hour)
        expire(self.directory, now - self._settings.retention)
