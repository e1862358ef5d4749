"""Records in an LMDB environment, within one LMDB transaction; `lmdb_layout` says where they lie.

A key of more than 480 bytes is shortened to its first 400 bytes and a hash, so that it fits LMDB's 511. The
whole key is kept beside the value and compared: two keys that shorten alike stay two records.
"""

from __future__ import annotations

import hashlib
import heapq
import struct
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from headrace.errors import DataError
from headrace.stores.lmdb_layout import EXPIRING, EXPIRY, INSTANT, LONG, PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmdb import Transaction

    from headrace.clock import Clock

__all__ = ["LONGEST", "Page", "Records", "scan_pages"]

LONGEST = 480
"""The longest key, in bytes, that is stored as it is."""

_KEPT = 400
_SIGN = 1 << 63
_NEVER = _SIGN - 1
_ENTRY = struct.Struct(">8sII")  # instant, bytes of key, bytes of value
_PAGE_RECORDS = 1_000
_PAGE_BYTES = 1 << 22
_AT_ONCE = 32
"""How many records are read on before anybody looks how long they are."""

Entry: TypeAlias = tuple[int, bytes, bytes]
"""When it expires, whole key, value."""

Page: TypeAlias = tuple[list[tuple[bytes, bytes]], bool]
"""Some (key, value) records in the order of their keys, and whether more may follow."""


def scan_pages(page: Callable[[bytes | None], Page]) -> Iterator[tuple[bytes, bytes]]:
    """The records of all pages, given what reads the page after a key."""
    after, more = None, True
    while more:
        records, more = page(after)
        yield from records
        after = records[-1][0] if records else None


class Records:
    """Reads, and in a write transaction writes, records by their whole keys.

    Every verb may raise lmdb.Error; what to do then is the caller's business.
    """

    __slots__ = ("_clock", "_some_expire", "_time", "_txn")

    def __init__(self, txn: Transaction[bytes], clock: Clock, now: int | None = None) -> None:
        """Records as they are within `txn`.

        Args:
            txn: A transaction on the main table.
            clock: Asked for the time once, when something that expires is met.
            now: The time, if it is fixed already; microseconds UTC.
        """
        self._txn = txn
        self._clock = clock
        self._time = now
        self._some_expire: bool | None = None

    def end(self) -> None:
        """Let go of the transaction; nothing can be read or written any more."""
        del self._txn

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys; None where there is no record."""
        values = list(map(self._txn.get, [PLAIN + key for key in keys]))
        if all(values):
            return values
        return [self._find(key) if value is None else value for key, value in zip(keys, values, strict=True)]

    def page(self, prefix: bytes, after: bytes | None) -> Page:
        """The next records whose key starts with `prefix` and is greater than `after`."""
        start = prefix if after is None else after + b"\x00"
        if not self._expiring_used() and not self._used(LONG):
            return self._plain_page(prefix, start)
        sources = [
            self._walk(PLAIN, prefix, start),
            self._walk_expiring(prefix, start),
            self._walk_long(prefix, after),
        ]
        records: list[tuple[bytes, bytes]] = []
        room = _PAGE_BYTES
        for record in heapq.merge(*sources, key=itemgetter(0)):
            records.append(record)
            room -= len(record[1])
            if len(records) == _PAGE_RECORDS or room <= 0:
                return records, True
        return records, False

    def put(self, items: list[tuple[bytes, bytes]], expire_at: int | None) -> None:
        """Write the items in their order."""
        keys = [key for key, _ in items]
        _refuse_empty(keys)
        long: list[tuple[bytes, bytes]] = []
        short = items
        if max(map(len, keys), default=0) > LONGEST:
            long = [item for item in items if len(item[0]) > LONGEST]
            short = [item for item in items if len(item[0]) <= LONGEST]
        if expire_at is None:
            self._put_plain(short)
        else:
            self._put_expiring(short, expire_at)
        for key, value in long:
            self._put_long(key, value, expire_at)
        if expire_at is not None:
            self._drop_expired(2 * len(items))

    def delete(self, keys: list[bytes]) -> None:
        """Delete the records of the keys."""
        _refuse_empty(keys)
        for key in keys:
            if len(key) > LONGEST:
                self._write_entries(_shorten(key), [entry for entry in self._entries(key) if entry[1] != key])
            else:
                self._txn.delete(PLAIN + key)
                if self._expiring_used():
                    self._txn.delete(EXPIRING + key)

    def delete_prefix(self, prefix: bytes, limit: int | None = None) -> bool:
        """Delete records whose key starts with `prefix`, at most `limit` of each kind.

        Returns:
            Whether some may be left.
        """
        left = self._delete_stored(PLAIN + prefix, limit)
        left |= self._delete_stored(EXPIRING + prefix, limit)
        if self._used(LONG):
            keys = [key for _, key, _ in islice(self._long_entries(prefix, None), limit)]
            self.delete(keys)
            left |= len(keys) == limit
        return left

    # short keys

    def _find(self, key: bytes) -> bytes | None:
        """The value of a key that is not among the plain ones."""
        if not key:
            _refuse_empty([key])
        if len(key) > LONGEST:
            for expires, whole, value in self._entries(key):
                if whole == key and self._lives(expires):
                    return value
            return None
        record = self._txn.get(EXPIRING + key) if self._expiring_used() else None
        if record is None or not self._lives(_instant(record)):
            return None
        return record[INSTANT:]

    def _put_plain(self, items: list[tuple[bytes, bytes]]) -> None:
        with self._txn.cursor() as cursor:
            cursor.putmulti([(PLAIN + key, value) for key, value in items])
        if self._expiring_used():
            for key, _ in items:
                self._txn.delete(EXPIRING + key)

    def _put_expiring(self, items: list[tuple[bytes, bytes]], expire_at: int) -> None:
        instant = _packed(expire_at)
        for key, value in items:
            self._txn.put(EXPIRING + key, instant + value)
            self._txn.put(EXPIRY + instant + EXPIRING + key, b"")
            self._txn.delete(PLAIN + key)
        self._some_expire = None  # look again

    def _plain_page(self, prefix: bytes, start: bytes) -> Page:
        """The next records from a key on, of which none expires and no key is long: some at a time."""
        prefix = PLAIN + prefix
        records: list[tuple[bytes, bytes]] = []
        room = _PAGE_BYTES
        with self._txn.cursor() as cursor:
            if not cursor.set_range(PLAIN + start):
                return records, False
            walk = cursor.iternext()
            while room > 0 and len(records) < _PAGE_RECORDS:
                some = list(islice(walk, _AT_ONCE))
                if not some or not some[-1][0].startswith(prefix):
                    records += [(key[1:], value) for key, value in some if key.startswith(prefix)]
                    return records, False
                records += [(key[1:], value) for key, value in some]
                room -= sum(map(len, map(itemgetter(1), some)))
        return records, True

    def _walk(self, section: bytes, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """What is stored in a section under keys from `start` on that start with `prefix`."""
        prefix = section + prefix
        with self._txn.cursor() as cursor:
            if cursor.set_range(section + start):
                for key, value in cursor.iternext():
                    if not key.startswith(prefix):
                        return
                    yield key[1:], value

    def _walk_expiring(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key, record in self._walk(EXPIRING, prefix, start):
            if self._lives(_instant(record)):
                yield key, record[INSTANT:]

    def _delete_stored(self, prefix: bytes, limit: int | None) -> bool:
        deleted = 0
        with self._txn.cursor() as cursor:
            cursor.set_range(prefix)
            while cursor.key().startswith(prefix):
                if deleted == limit:
                    return True
                cursor.delete()  # and move to the next; past the last, the key is empty
                deleted += 1
        return False

    # long keys

    def _entries(self, key: bytes) -> list[Entry]:
        return _unpacked(self._txn.get(_shorten(key), b""))

    def _write_entries(self, stored: bytes, entries: list[Entry]) -> None:
        if entries:
            self._txn.put(stored, b"".join(_entry(*entry) for entry in entries))
        else:
            self._txn.delete(stored)

    def _put_long(self, key: bytes, value: bytes, expire_at: int | None) -> None:
        others = [entry for entry in self._entries(key) if entry[1] != key]
        self._write_entries(
            _shorten(key), [*others, (_NEVER if expire_at is None else expire_at, key, value)]
        )
        if expire_at is not None:
            self._txn.put(EXPIRY + _packed(expire_at) + _shorten(key), b"")

    def _long_entries(self, prefix: bytes, after: bytes | None) -> Iterator[Entry]:
        """The entries of keys that start with `prefix` and are greater than `after`, by their keys.

        Stored keys order by their first 400 bytes and then by hash; entries that share those bytes are put
        into order here.
        """
        start = max(prefix[:_KEPT], (after or b"")[:_KEPT])
        stored = self._walk(LONG, prefix[:_KEPT], start)
        for _, group in groupby(stored, key=lambda record: record[0][:_KEPT]):
            entries = [entry for _, packed in group for entry in _unpacked(packed)]
            entries.sort(key=itemgetter(1))
            for entry in entries:
                if entry[1].startswith(prefix) and (after is None or entry[1] > after):
                    yield entry

    def _walk_long(self, prefix: bytes, after: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        for expires, key, value in self._long_entries(prefix, after):
            if self._lives(expires):
                yield key, value

    # time

    def _lives(self, expires: int) -> bool:
        if self._time is None:
            self._time = self._clock.now()
        return expires == _NEVER or expires > self._time

    def _used(self, section: bytes) -> bool:
        with self._txn.cursor() as cursor:
            cursor.set_range(section)
            return cursor.key().startswith(section)

    def _expiring_used(self) -> bool:
        if self._some_expire is None:
            self._some_expire = self._used(EXPIRING)
        return self._some_expire

    def _drop_expired(self, limit: int) -> None:
        """Delete up to `limit` records that have expired: who writes one that will pays for two that have."""
        with self._txn.cursor() as cursor:
            for _ in range(limit):
                cursor.set_range(EXPIRY)
                due = cursor.key()
                if not due.startswith(EXPIRY) or self._lives(_instant(due[1:])):
                    return
                cursor.delete()
                self._drop_dead(due[1 + INSTANT :])

    def _drop_dead(self, stored: bytes) -> None:
        """Delete what has expired of what is stored there."""
        record = self._txn.get(stored)
        if record is None:
            return
        if stored.startswith(LONG):
            self._write_entries(stored, [entry for entry in _unpacked(record) if self._lives(entry[0])])
        elif not self._lives(_instant(record)):
            self._txn.delete(stored)


def _shorten(key: bytes) -> bytes:
    """Under what a long key is stored."""
    return LONG + key[:_KEPT] + _digest(key)


def _digest(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=32).digest()


def _packed(instant: int) -> bytes:
    return (instant + _SIGN).to_bytes(INSTANT)


def _instant(record: bytes) -> int:
    return int.from_bytes(record[:INSTANT]) - _SIGN


def _entry(expires: int, key: bytes, value: bytes) -> bytes:
    return _ENTRY.pack(_packed(expires), len(key), len(value)) + key + value


def _unpacked(entries: bytes) -> list[Entry]:
    unpacked: list[Entry] = []
    at = 0
    while at < len(entries):
        expires, key_length, value_length = _ENTRY.unpack_from(entries, at)
        key_end = at + _ENTRY.size + key_length
        key = entries[at + _ENTRY.size : key_end]
        at = key_end + value_length
        unpacked.append((_instant(expires), key, entries[key_end:at]))
    return unpacked


def _refuse_empty(keys: Sequence[bytes]) -> None:
    if not all(keys):
        raise DataError("A key has at least one byte.", remedy="Encode keys with headrace.keys.")
