"""Ingestion of one source: from clean events to durable, visible states, each event once.

A push is logged and applied in one transaction. What is needed besides the store (the ids seen) is rebuilt
from the log, so that any process may push, and any may die.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from headrace.kernel.clean import COUNTS, KNOWN, TIME
from headrace.online.earlier import stored_states
from headrace.online.earlier_layouts import streamed_earlier
from headrace.online.erased import read_erased
from headrace.online.layout import PUSHES, stream_key
from headrace.online.log import Log, logs
from headrace.online.manifest import read_manifest, read_streams
from headrace.online.partitions import put_progress
from headrace.online.push import Incoming, apply_events
from headrace.online.quarantine import forget_covered
from headrace.online.record import Stamp
from headrace.online.replay import Replay
from headrace.online.seen import SeenIds
from headrace.online.states import states_of
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.kernel.binding import Binding
    from headrace.online.log import Entry
    from headrace.online.manifest import StreamState
    from headrace.online.partitions import Progress
    from headrace.online.seen import Looked
    from headrace.online.states import ViewStates
    from headrace.ports.key_value import OneHost, Reader, Transactional, Writer

__all__ = ["Beside", "Evaluate", "Evaluated", "Ingest", "Pushed"]

Beside = Callable[["Writer", int, Mapping["Rule", "Array"], "Sequence[pa.Table]"], int]
"""Writes what of a push is no event, in its transaction.

It is given the push's offset, which events break `unique`, and on which the expressions of views failed. It
returns how many rows it has put into quarantine.
"""


class Evaluated(NamedTuple):
    """Clean events as a view has them.

    Attributes:
        events: The events, with the view's expressions; and `COUNTS`, where some do not count.
        failed: On which of them an expression failed, see `headrace.intake.evaluator`; None for none. It is
            null there.
    """

    events: pa.Table
    failed: pa.Table | None = None


Evaluate = Callable[[pa.Table], Evaluated]
"""Evaluates a view's expressions over clean events."""


_FRESH = "__fresh"
"""The column of whether an event is no copy."""


class Pushed(NamedTuple):
    """What became of a push.

    Attributes:
        accepted: Events that entered the states of at least one view.
        duplicates: Copies of events seen within the horizon, for every view.
        late: Events that a served generation should hold already; they wait in the late log for the next
            load.
        rejected: Rows that went to quarantine.
        offset: The push's place in the log; -1 where nothing was new.
        warned: Rows that count and break a rule of a source that only warns.
        rules: How many of the rejected rows break each rule; one that breaks several is counted for each.
    """

    accepted: int
    duplicates: int
    late: int
    rejected: int
    offset: int
    warned: int = 0
    rules: Mapping[str, int] = {}

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; `rules` only where rows were rejected."""
        told = {**self._asdict(), "rules": dict(self.rules)}
        return told if self.rules else {name: value for name, value in told.items() if name != "rules"}


class _View(NamedTuple):
    """A view as one of its definitions has it."""

    binding: Binding
    states: ViewStates
    evaluate: Evaluate


class Ingest:
    """Takes the events of one source into the states of its views."""

    def __init__(
        self,
        source: str,
        views: Sequence[tuple[Binding, Evaluate]],
        epoch_length: int,
        *,
        partition: int = PUSHES,
        find_earlier: Callable[[Binding, str], tuple[Binding, Evaluate] | None] | None = None,
        unique: Callable[[], Mapping[Rule, SeenIds]] = dict,
    ) -> None:
        """For one source.

        Args:
            source: Its name.
            views: Its views, and what evaluates the expressions of each.
            epoch_length: Microseconds of an epoch.
            partition: The partition events come through.
            find_earlier: Finds the revision of a view whose states have a fingerprint.
            unique: What remembers the values of columns that no two rows may share, by rule; nothing yet.
        """
        self._unique = unique
        self._taken: Mapping[Rule, SeenIds] = {}
        self._views = [_View(binding, states_of(binding), evaluate) for binding, evaluate in views]
        self._written = list(self._views)  # by the definitions that the stored records were made by
        self._find_earlier = find_earlier
        self._earlier: dict[tuple[str, str], _View] = {}
        self._epoch_length = epoch_length
        self._log = Log(source, partition)
        self._seen: dict[tuple[str, ...], SeenIds] = {}
        self._read_to = 0
        self._forget()

    def _forget(self) -> None:
        self._read_to = 0
        self._taken = self._unique()
        for binding, _, _ in self._views:
            if (seen := _seen_ids(binding)) is not None:
                self._seen[tuple(binding.keys)] = seen

    def push(
        self,
        store: Transactional,
        events: pa.Table,
        now: int,
        beside: Beside | None = None,
        progress: Progress | None = None,
        begun: int | None = None,
    ) -> Pushed:
        """Take clean events; when this returns they are durable and visible.

        Args:
            store: The online store.
            events: `__time`, `__known` and the source's columns.
            now: The clock.
            beside: Writes what of the push is no event.
            progress: How far the partition of a stream is with them; None for a push.
            begun: What the monotonic clock said at `now`, nanoseconds; by default it is asked now.

        Raises:
            ConflictError: Somebody else has taken the partition over; nothing is written.
        """
        if beside is None and not (self._views and events.num_rows):
            return Pushed(0, 0, 0, 0, -1)
        begun = time.monotonic_ns() if begun is None else begun
        while True:
            # The costly part before the transaction, which keeps other writers waiting.
            written = self._written
            prepared = [(view, view.evaluate(events)) for view in written]
            try:
                with store.transaction() as tx:
                    self._written = self._written_by(tx)
                    if all(new is old for new, old in zip(self._written, written, strict=True)):
                        if progress is not None:
                            put_progress(tx, *self._log, progress)
                        return self._take(tx, events, prepared, (now, begun), beside)
            except BaseException:
                # What was remembered in the transaction did not happen.
                self._forget()
                raise

    def _written_by(self, tx: Reader) -> list[_View]:
        """The views by the definitions that their records were made by."""
        manifest, ids = read_manifest(tx), [view.binding.id for view in self._views]
        return [
            self._writing(view, stored_states(manifest.of(view.binding.id), stream))
            for view, stream in zip(self._views, read_streams(tx, ids), strict=True)
        ]

    def _writing(self, view: _View, stored: str) -> _View:
        """The view as its records have it; the present one where there are none, or nobody knows theirs."""
        if stored in {"", view.states.fingerprint} or self._find_earlier is None:
            return view
        key = view.binding.id, stored
        if key not in self._earlier:
            found = self._find_earlier(view.binding, stored)
            self._earlier[key] = view if found is None else _View(found[0], states_of(found[0]), found[1])
        return self._earlier[key]

    def _take(
        self,
        tx: Writer,
        events: pa.Table,
        prepared: Sequence[tuple[_View, Evaluated]],
        at: tuple[int, int],
        beside: Beside | None,
    ) -> Pushed:
        now, begun = at  # the clock, and what the monotonic one said then
        self._catch_up(tx)
        offset = self._log.next_offset(tx)
        taken = {rule: seen.look(events) for rule, seen in self._taken.items() if events.num_rows}
        repeats = {rule: ~looked.fresh for rule, looked in taken.items()}
        failed = [own.failed for _, own in prepared if own.failed is not None]
        rejected = 0 if beside is None else beside(tx, offset, repeats, failed)
        gone = read_erased(tx).gone(events)
        dropped = [*repeats.values(), *([] if gone is None else [gone])]
        away = np.logical_or.reduce([np.zeros(events.num_rows, dtype=bool), *dropped])
        kept = pa.array(~away)
        events = events.filter(kept)
        looked = {keys: seen.look(events) for keys, seen in self._seen.items()}
        incoming, fresh_rows = [], 0
        for view, own in prepared:
            fresh = _fresh(own.events.filter(kept), looked.get(tuple(view.binding.keys)))
            incoming.append(Incoming(view.binding, view.states, _counted(fresh), self._epoch_length))
            fresh_rows = max(fresh_rows, fresh.num_rows)
        if not fresh_rows:
            if rejected:
                self._log.skip(tx, offset)
            return Pushed(0, events.num_rows if self._views else 0, 0, rejected, offset if rejected else -1)
        for view, _ in prepared:
            self._refill(tx, view, now)
        applied = apply_events(tx, incoming, Stamp(now, offset, 0, self._log.partition))
        self._log.append(tx, offset, events, now + (time.monotonic_ns() - begun) // 1_000)
        for rule, each in taken.items():
            self._taken[rule].remember(each.but(away))
        for keys, each in looked.items():
            self._seen[keys].remember(each)
        self._read_to = offset + 1
        late = max((each.late for each in applied), default=0)
        return Pushed(fresh_rows - late, events.num_rows - fresh_rows, late, rejected, offset)

    def _refill(self, tx: Writer, view: _View, now: int) -> None:
        """Build the stream of a view from the log, where an earlier layout has one and this has none.

        A view whose source has a batch is not served before it is loaded, and a load does the same.
        """
        binding = view.binding
        (stream,) = read_streams(tx, [binding.id])
        if not stream.epochs and binding.source.batch is None and streamed_earlier(tx, binding.id):
            whole = self.replay(binding.id, FOREVER_AGO, stream).finish(tx, now)
            tx.multi_put([(stream_key(binding.id), msgspec.json.encode(whole))])

    def _catch_up(self, tx: Reader) -> None:
        """Learn the ids other processes have pushed since, and after a restart all that are kept."""
        if not (self._seen or self._taken) or self._log.next_offset(tx) == self._read_to:
            return
        for entry in self._log.entries(tx, self._read_to):
            for seen in (*self._seen.values(), *self._taken.values()):
                seen.remember(seen.look(entry.events))
        self._read_to = self._log.next_offset(tx)

    def replay(self, view: str, known: int, stream: StreamState) -> Replay:
        """What builds a stream of one view anew from the logs of all partitions, beside the present one.

        Args:
            view: `name@version`.
            known: K: what was known before is left to the generation.
            stream: The new stream, without epochs.
        """
        binding, states, evaluate = self._view(view)

        def incoming(events: pa.Table) -> Incoming:
            return Incoming(binding, states, _counted(evaluate(events).events), self._epoch_length)

        return Replay(self._log.source, incoming, lambda: _seen_ids(binding), known, stream)

    def brought(
        self, store: Reader, view: str, wanted: Callable[[pa.Table], Array]
    ) -> Iterator[tuple[Log, Entry, Array]]:
        """What the logs of all partitions hold of some entities, as one view takes it.

        Args:
            store: The online store.
            view: `name@version`.
            wanted: Which of some events are wanted, bool; all of an entity or none.

        Yields:
            A log, a batch of it with the view's expressions evaluated, and which of its events count: those
            that are no copies of others that came before.
        """
        found = self._view(view)
        for log in logs(store, self._log.source):
            seen = _seen_ids(found.binding)
            for entry in log.entries(store):
                events = entry.events.filter(pa.array(wanted(entry.events)))
                if not events.num_rows:
                    continue
                fresh = np.ones(events.num_rows, dtype=bool)
                if seen is not None:
                    looked = seen.look(events)
                    seen.remember(looked)
                    fresh = looked.fresh
                marked = found.evaluate(events).events.append_column(_FRESH, pa.array(fresh))
                counted = _counted(marked)
                fresh = counted.column(_FRESH).to_numpy()
                yield log, entry._replace(events=counted.drop_columns([_FRESH])), fresh

    def nothing(self, view: str) -> pa.Table:
        """No event at all, with the columns that events of a view have."""
        found = self._view(view)
        columns = [(name, of.arrow()) for name, of in found.binding.schema.items()]
        instants = [(name, pa.int64()) for name in (TIME, KNOWN)]
        return _counted(found.evaluate(pa.schema([*instants, *columns]).empty_table()).events)

    def _view(self, view: str) -> _View:
        (found,) = [each for each in self._views if each.binding.id == view]
        return found

    def trim(self, store: OneHost, now: int, kept: int = 0) -> None:
        """Forget the batches of all partitions that every view has loaded and no copies of are looked for.

        Args:
            store: The online store.
            now: The clock.
            kept: How long they are kept in any case, microseconds.
        """
        manifest = read_manifest(store)
        loaded = min((manifest.of(binding.id).known for binding, _, _ in self._views), default=now)
        horizon = max((int(getattr(b.source, "dedup_horizon", 0)) for b, _, _ in self._views), default=0)
        for log in logs(store, self._log.source):
            log.trim(store, min(loaded, now - max(horizon, kept)))
        if self._views:
            forget_covered(store, self._log.source, loaded)


def _counted(events: pa.Table) -> pa.Table:
    """The events that count for a view."""
    if COUNTS not in events.column_names:
        return events
    return events.filter(events.column(COUNTS)).drop_columns([COUNTS])


def _fresh(events: pa.Table, looked: Looked | None) -> pa.Table:
    """The events that are no copies."""
    return events if looked is None else events.filter(pa.array(looked.fresh))


def _seen_ids(binding: Binding) -> SeenIds | None:
    """Nothing seen yet; None where events have no id."""
    if binding.event_id is None:
        return None
    horizon = int(getattr(binding.source, "dedup_horizon", 0))
    return SeenIds(binding.keys, binding.schema, binding.event_id, horizon)
