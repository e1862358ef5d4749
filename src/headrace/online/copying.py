"""The online store of a project that serves from a copy: the embedded store is the record, another a copy.

Everything is written to the embedded store, in its transactions. What is served (segments, epochs, manifest,
streams) is marked there in the same transaction, and copied after it: records first, then what names them, of
one state. A mark is taken away once its copy is there, so a process that dies in between, or a copy that
cannot be reached, leaves marks, and whoever comes next goes on with them. One process copies at a time.

What is deleted is deleted in the copy some time later: a reader that saw the manifest before may still ask.

A copy whose server was restarted, with nothing in it or with what it held before, is filled anew: nobody has
vouched for the server as it runs now. Until somebody has, readers refuse it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from headrace.clock import SECOND
from headrace.errors import StoreError, UnreachableError
from headrace.keys import decode_key, encode_key
from headrace.online.layout import MANIFEST, RECORDS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from headrace.clock import Clock
    from headrace.ports.key_value import Copy, OneHost, Reader, Writer

__all__ = ["CopiedStore"]

GRACE = 60 * SECOND
"""How long the copy keeps what is deleted."""
_RETRY = SECOND
"""How long a copy that cannot be reached is left alone."""
_PAGE = 1_000
_OFTEN = 3
"""How often filling is begun again because a server was restarted meanwhile."""

_RECORD, _ABOUT, _GONE, _GONE_KEY = "copy 1", "copy 2", "copy 3", "copy 4"
_TOKEN = encode_key(("copy",))
"""In both stores: of which embedded store this is a copy, and how often it was copied to.

The copy's may be ahead by one: it is written first. One of any other number, or store, is filled anew: one of
both stores is not what it was, for it came from a backup.
"""
_DRAWN = 16


class CopiedStore:
    """A `OneHost` store, the embedded one, that keeps a copy of what is served."""

    def __init__(
        self,
        store: OneHost,
        copy: Copy,
        clock: Clock,
        turn: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """Over both.

        Args:
            store: The embedded store.
            copy: The other.
            clock: Tells when what is deleted may go.
            turn: Entered while copying: no other process of the host is in it.
        """
        self._store = store
        self._copy = copy
        self._clock = clock
        self._turn = turn
        self._leave_until = 0
        self.trouble: StoreError | None = None
        """Why the copy is behind; None where it was reached the last time."""

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `Reader`; of the embedded store."""
        return self._store.multi_get(keys)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `Reader`; of the embedded store."""
        return self._store.scan(prefix)

    def snapshot(self) -> AbstractContextManager[Reader]:
        """See `Transactional`; of the embedded store."""
        return self._store.snapshot()

    @contextmanager
    def transaction(self) -> Iterator[Writer]:
        """See `Transactional`; what is served is copied when it has ended."""
        with self._store.transaction() as tx:
            marking = _Marking(tx, self._clock.now())
            yield marking
        if marking.marked:
            self.catch_up()

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        """See `Writer`."""
        with self.transaction() as tx:
            tx.multi_put(items, expire_at=expire_at)

    def delete(self, keys: Iterable[bytes]) -> None:
        """See `Writer`."""
        with self.transaction() as tx:
            tx.delete(keys)

    def delete_prefix(self, prefix: bytes) -> None:
        """See `Writer`."""
        if prefix.startswith(RECORDS):
            self._store.multi_put([(encode_key((_GONE, prefix)), encode_key((self._clock.now(),)))])
        self._store.delete_prefix(prefix)

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, *, expire_at: int | None = None
    ) -> bool:
        """See `KeyValue`."""
        with self.transaction() as tx:
            if tx.multi_get([key]) != [expected]:
                return False
            if new is None:
                tx.delete([key])
            else:
                tx.multi_put([(key, new)], expire_at=expire_at)
            return True

    def scrub(self) -> bool:
        """See `OneHost`; of the embedded store."""
        return self._store.scrub()

    def delete_now(self, theirs: Callable[[bytes], bool], keys: Sequence[bytes]) -> None:
        """Delete records in the copy at once, and all that says they were there.

        Args:
            theirs: Tells of a key whether it is one of those, should they have been deleted before.
            keys: Those that were deleted just now.

        Raises:
            StoreError: The copy cannot be reached; it is told later what to delete.
        """
        kinds = (_RECORD, _GONE, _GONE_KEY)
        with self._turn():
            marks = [mark for kind in kinds for mark, _ in self._store.scan(encode_key((kind,)))]
            before = [key for key in map(_marked, marks) if theirs(key)]
            for some in _pages(iter(dict.fromkeys([*keys, *before]))):
                self._delete_what_is_not_here(some)
                with self._store.transaction() as tx:  # one that has come again keeps its marks
                    gone = [key for key, value in zip(some, tx.multi_get(some), strict=True) if value is None]
                    tx.delete([encode_key((kind, key)) for kind in kinds for key in gone])

    def close(self) -> None:
        """Let go of both."""
        self._copy.close()
        self._store.close()

    def catch_up(self, *, insist: bool = False) -> bool:
        """Copy what is marked; say whether all is copied that may be.

        Args:
            insist: Raise what keeps it from being copied; without, it is left for later.

        Raises:
            StoreError: Only if insisted: the copy cannot be reached.
        """
        if not insist and self._clock.now() < self._leave_until:
            return False
        try:
            self._bring()
        except StoreError as error:
            self.trouble, self._leave_until = error, self._clock.now() + _RETRY
            if insist:
                raise
            return False
        self.trouble = None
        return True

    def refill(self) -> int:
        """Copy all that is served, and take away what is not; say how many records are copied.

        Raises:
            StoreError: The copy cannot be reached.
        """
        copied = self._bring(anew=True)
        self.trouble = None
        return copied

    def is_filled(self) -> bool:
        """Whether the copy holds all that was ever copied to it: it was not restarted, emptied or replaced.

        Raises:
            StoreError: The copy cannot be reached.
        """
        return self._is_ours()

    def behind(self) -> int:
        """How many records wait to be copied."""
        return sum(1 for kind in (_RECORD, _ABOUT) for _ in self._store.scan(encode_key((kind,))))

    def _bring(self, *, anew: bool = False) -> int:
        """Make the copy what it should be; say how many records it was filled with.

        Args:
            anew: Fill it whatever it holds.
        """
        copied = 0
        with self._turn():
            for _ in range(_OFTEN):
                if anew or not self._is_ours():
                    copied = self._fill()
                    anew = False
                if not self._copy_marked() or self._copy.is_vouched_for():
                    self._clear_gone()
                    return copied
        raise UnreachableError("The copy was restarted again and again while it was filled.")

    def _is_ours(self) -> bool:
        """Whether the copy holds all that was ever copied to it."""
        token, copied = self._token()
        ours = [_written(token, copied), _written(token, copied + 1)]
        return self._copy.multi_get([_TOKEN])[0] in ours and self._copy.is_vouched_for()

    def _token(self) -> tuple[bytes, int]:
        """What tells this embedded store from any other, and how often it was copied from."""
        (told,) = self._store.multi_get([_TOKEN])
        if told is None:
            self._store.compare_and_set(_TOKEN, None, os.urandom(_DRAWN))
            (told,) = self._store.multi_get([_TOKEN])
        assert told is not None  # noqa: S101 - nobody deletes it
        return told[:_DRAWN], int.from_bytes(told[_DRAWN:])

    def _copy_marked(self) -> bool:
        """Copy what is marked; say whether anything was."""
        for again in count():
            with self._store.snapshot() as now:
                marks = [mark for kind in (_RECORD, _ABOUT) for mark in now.scan(encode_key((kind,)))]
                for some in _pages(iter(marks)):
                    self._put(now, [_marked(mark) for mark, _ in some])
            if not marks:
                return again > 0
            token, copied = self._token()
            self._copy.multi_put([(_TOKEN, _written(token, copied + 1))])
            self._unmark(marks, _written(token, copied + 1))
        raise AssertionError  # it counts for ever

    def _put(self, now: Reader, keys: Sequence[bytes]) -> None:
        """Copy some records; those that are no more will go with their prefix."""
        found = zip(keys, now.multi_get(keys), strict=True)
        self._copy.multi_put([(key, value) for key, value in found if value is not None])

    def _unmark(self, marks: Sequence[tuple[bytes, bytes]], token: bytes | None = None) -> None:
        """Take marks away that still say what they said when their records were copied."""
        for some in _pages(iter(marks)):
            with self._store.transaction() as tx:
                held = tx.multi_get([mark for mark, _ in some])
                tx.delete([mark for (mark, said), says in zip(some, held, strict=True) if says == said])
                if token is not None:
                    tx.multi_put([(_TOKEN, token)])

    def _clear_gone(self) -> None:
        """Delete in the copy what was deleted some time ago and has not come again."""
        late = self._clock.now() - GRACE
        keys, prefixes = (
            [mark for mark in self._store.scan(encode_key((kind,))) if decode_key(mark[1])[0] <= late]  # type: ignore[operator]
            for kind in (_GONE_KEY, _GONE)
        )
        for some in _pages(_marked(mark) for mark, _ in keys):
            self._delete_what_is_not_here(some)
        if prefixes:  # one walk for all: it takes as long as for one
            gone = tuple(_marked(mark) for mark, _ in prefixes)
            self._delete_under(os.path.commonprefix(gone) or b"", gone)  # noqa: RUF071 - they are no paths
        self._unmark([*keys, *prefixes])

    def _delete_under(self, common: bytes, prefixes: tuple[bytes, ...]) -> None:
        """Delete in the copy, of what begins with one of the prefixes, what is not here."""
        for some in _pages(key for key, _ in self._copy.scan(common) if key.startswith(prefixes)):
            self._delete_what_is_not_here(some)

    def _delete_what_is_not_here(self, keys: Sequence[bytes]) -> None:
        here = self._store.multi_get(keys)
        self._copy.delete(
            [key for key, value in zip(keys, here, strict=True) if value is None and key != _TOKEN]
        )

    def _fill(self) -> int:
        """Copy everything that is served, of one state; what names records last.

        A server that is restarted meanwhile is not vouched for.
        """
        copied, servers = 0, self._copy.servers()
        with self._store.snapshot() as now:
            for prefix in (*RECORDS, STREAMS, MANIFEST):
                for some in _pages(now.scan(prefix)):
                    self._copy.multi_put(some)
                    copied += len(some)
        self._delete_under(b"", (b"",))
        self._copy.multi_put([(_TOKEN, _written(*self._token()))])
        self._copy.vouch(servers)
        return copied


class _Marking:
    """A transaction that marks what it writes of what is served."""

    def __init__(self, tx: Writer, now: int) -> None:
        self._tx = tx
        self._now = now
        self.marked = False

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._tx.multi_get(keys)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._tx.scan(prefix)

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        items = list(items)
        self._tx.multi_put(items, expire_at=expire_at)
        self._mark([key for key, _ in items])

    def delete(self, keys: Iterable[bytes]) -> None:
        keys = list(keys)
        self._tx.delete(keys)
        gone = [key for key in keys if key.startswith(RECORDS)]
        self._tx.multi_put([(encode_key((_GONE_KEY, key)), encode_key((self._now,))) for key in gone])

    def delete_prefix(self, prefix: bytes) -> None:
        self._tx.delete_prefix(prefix)
        if prefix.startswith(RECORDS):
            self._tx.multi_put([(encode_key((_GONE, prefix)), encode_key((self._now,)))])

    def _mark(self, keys: Sequence[bytes]) -> None:
        kinds = [(key, _kind(key)) for key in keys]
        said = os.urandom(8)  # so that a mark made again is another mark
        marks = [(encode_key((kind, key)), said) for key, kind in kinds if kind]
        if marks:
            self._tx.multi_put(marks)
            self.marked = True


def _kind(key: bytes) -> str:
    """Which mark a written key gets; none where it is not served."""
    if key.startswith(RECORDS):
        return _RECORD
    return _ABOUT if key == MANIFEST or key.startswith(STREAMS) else ""


def _written(token: bytes, copied: int) -> bytes:
    return token + copied.to_bytes(8)


def _marked(mark: bytes) -> bytes:
    """The key or prefix that a mark is for."""
    key: Any = decode_key(mark)[1]
    marked: bytes = key
    return marked


def _pages(items: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(items, _PAGE)):
        yield some
