"""Streams in a Redis, Valkey or Redis Cluster, one for each partition.

Positions are ids of entries, and ours alone decide where reading begins: the consumer group only shows people
how far it is, and nothing is ever delivered to it or acknowledged.

Redis does not number entries, so what was trimmed away cannot be counted. But while the entry that was taken
last is there, nothing after it was trimmed: it is fetched again with those that follow.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
from redis.cluster import RedisCluster
from redis.retry import Retry

from headrace.drivers.redis_connecting import Patience, address_of, options, parsed
from headrace.drivers.redis_errors import FAILURES
from headrace.errors import DataError, StoreError
from headrace.ports.event_stream import Messages, Places
from headrace.streams.redis_entries import FIRST, before, message_of, order_of
from headrace.streams.redis_stream_errors import ADDRESS, PREFIX, explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]

__all__ = ["RedisStreams"]

_LOG = logging.getLogger("headrace.redis")
_PATIENCE = Patience(attempts=1)
"""Ingestion asks again by itself."""
_LOOK = 0.01
"""Seconds between two looks at streams that have nothing new."""
_STEP = 1_000
"""The most entries that one command asks for: Redis does nothing else meanwhile."""
_BYTES = 32 << 20
"""Bytes of messages after which no more are fetched at once."""


@dataclass(slots=True)
class _Reading:
    """Where a stream is read.

    Attributes:
        at: The id after which it goes on.
        taken: Whether it is that of an entry that was taken, and should be there still.
        gap: What is missing before the next entries, where that is known already.
        count: How many entries the stream ever had up to `at`; None where that is not known.
    """

    at: str
    taken: bool
    gap: str = ""
    count: int | None = None

    def accept(self, found: Entries, most: int) -> tuple[Entries, str]:
        """The new ones of entries that begin with the one taken last, and what is missing before them.

        Args:
            found: Entries from `at` on, that one included if it is there.
            most: At most so many are new.
        """
        there = bool(found) and found[0][0].decode() == self.at
        new = found[there : most + there]
        if not new:
            return new, ""
        gap, self.gap = self.gap, ""
        if not gap and self.taken and not there:
            gap = f"entry {self.at} was trimmed away, and perhaps some that came after it"
        self.at, self.taken = new[-1][0].decode(), True
        self.count = None if gap or self.count is None else self.count + len(new)
        return new, gap

    def ends(self, last: str) -> None:
        """Heed the greatest id that a stream ever had, where it holds neither `at` nor anything beyond."""
        if order_of(last) < order_of(self.at):
            self.gap = f"the stream ended at {last}, before entry {self.at}: it was made anew or lost its end"
            self.at = last
        self.taken = self.taken and last != self.at  # where it is, all was taken before it was trimmed

    def behind(self, added: int | None, ahead: int | None) -> int | None:
        """How many entries come after `at`; None where nobody can tell.

        Args:
            added: How many the stream ever had; None where Redis does not count them.
            ahead: How many come after `at`, where that is plain.
        """
        if ahead is not None:
            self.count = None if added is None else added - ahead
            return ahead
        return None if added is None or self.count is None else max(0, added - self.count)


@dataclass(slots=True)
class _Batch:
    """Messages of one partition with nothing missing between them."""

    partition: str
    gap: str
    ids: list[str] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)

    def messages(self) -> Messages:
        """The same, as the port has them."""
        places = Places(f"{self.partition}@", self.ids)
        return Messages(self.partition, self.values, places, self.ids[-1], self.gap)


@dataclass(slots=True)
class _Fetched:
    """What was fetched of all partitions: `count` messages of `size` bytes."""

    batches: list[_Batch] = field(default_factory=list)
    count: int = 0
    size: int = 0

    def add(self, partition: str, entries: Entries, gap: str) -> None:
        """Append entries of a partition."""
        batch = next((each for each in reversed(self.batches) if each.partition == partition), None)
        if batch is None or gap:
            batch = _Batch(partition, gap)
            self.batches.append(batch)
        values = [message_of(fields) for _, fields in entries]
        batch.ids += [entry.decode() for entry, _ in entries]
        batch.values += values
        self.count += len(values)
        self.size += sum(map(len, values))


class RedisStreams:
    """A stream over Redis streams; see `EventStream`.

    Partitions are called by their keys. Ids have to grow even where a stream is made anew: an entry whose id
    is not beyond those that were taken counts as taken.
    """

    def __init__(
        self,
        key: str,
        url: str,
        group: str,
        partitions: int = 1,
        settings: Mapping[str, str] | None = None,
        patience: Patience = _PATIENCE,
    ) -> None:
        """Of one key, or several; Redis is not asked yet.

        Args:
            key: The key; several partitions are `key:0`, `key:1` and so on.
            url: Where Redis is; see `address_of`.
            group: The consumer group that people see our position under.
            partitions: How many there are.
            settings: Further options of connections, as the driver names them: user and password above all.
            patience: How long Redis is waited for.

        Raises:
            StoreError: The URL is none, or an option is wrong.
        """
        self._address = address_of(url, ADDRESS)
        self._names = [key] if partitions == 1 else [f"{key}:{number}" for number in range(partitions)]
        self._group = group
        given = parsed(settings or {}, self._address, PREFIX)
        self._options = {**options(patience, Retry), **given}
        self._client: redis.Redis | RedisCluster | None = None
        self._closed = False
        self._reading: dict[str, _Reading] = {}
        self._step = _STEP // 10  # until it is known how large messages are
        self._turn = 0

    def partitions(self) -> Sequence[str]:
        """See `EventStream`; whether they are there is not asked."""
        return self._names

    def begin(self, partition: str, after: str | None, since: int) -> None:
        """See `EventStream`; entries came when their ids say."""
        self.end(partition)
        if partition not in self._names:
            raise DataError("There is no such partition.", asked=partition, available=self._names)
        at = self._before(partition, since // 1_000) if after is None else after
        order_of(at)
        self._reading[partition] = _Reading(at, taken=after is not None)

    def end(self, partition: str) -> None:
        """See `EventStream`."""
        self._reading.pop(partition, None)

    def take(self, limit: int, wait: float) -> list[Messages]:
        """See `EventStream`."""
        until = time.monotonic() + wait
        while True:
            found = self._fetch(limit)
            if found or not self._has_news(until):
                return [each.messages() for each in found]

    def done(self, partition: str, after: str) -> None:
        """See `EventStream`; sets the position of the group, which is made if it is not there."""
        try:
            with self._asking() as client:
                try:
                    client.xgroup_setid(partition, self._group, after)
                except redis.ResponseError as error:
                    if not str(error).startswith("NOGROUP"):
                        raise
                    client.xgroup_create(partition, self._group, after)
        except StoreError as error:
            _LOG.debug("The group of %s was not told of %s: %s", partition, after, error)

    def behind(self, partition: str) -> int | None:
        """See `EventStream`; in mid-stream only from Redis 7 on, which counts entries."""
        reading = self._reading.get(partition)
        if reading is None:
            return None
        try:
            about = self._about(partition)  # asked first: what comes in between is seen to be news
            added = None if about is None else about.get("entries-added")
            if about is None or not self._is_news([partition]):
                return reading.behind(added, 0)
        except StoreError:
            return None
        first = about["first-entry"]
        untouched = first is not None and order_of(first[0].decode()) > order_of(reading.at)
        return reading.behind(added, about["length"] if untouched else None)

    def close(self) -> None:
        """See `EventStream`."""
        self._closed = True
        self._reading.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """The driver, its errors explained."""
        if self._closed:
            raise StoreError("The stream is closed.", asked=self._names[0])
        try:
            if self._client is None:
                of = RedisCluster if self._address.cluster else redis.Redis
                self._client = of.from_url(self._address.url, **self._options)
            yield self._client
        except FAILURES as error:
            raise explain(error, self._address.place, self._names) from error

    def _ranges(self, names: Sequence[str], most: int, *, beyond: str = "") -> list[Entries]:
        """Entries of streams, from where they are read, or beyond it."""
        with self._asking() as client, client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.xrange(name, min=f"{beyond}{self._reading[name].at}", count=most)
            found: list[Entries] = pipe.execute() if names else []
        return found

    def _before(self, partition: str, since: int) -> str:
        """The id that all entries follow which came at an instant, milliseconds, or later.

        Ids need not be times. They are if the newest is one as late as that; else all is read.
        """
        last = self._last(partition)
        return FIRST if since <= 0 or last is None or order_of(last)[0] < since else before(since)

    def _last(self, partition: str) -> str | None:
        """The greatest id that a stream ever had; None if it is not there."""
        about = self._about(partition)
        return None if about is None else about["last-generated-id"].decode()

    def _about(self, partition: str) -> dict[str, Any] | None:
        """What Redis knows of a stream; None if it is not there."""
        with self._asking() as client:
            try:
                about: dict[str, Any] = client.xinfo_stream(partition)
            except redis.ResponseError as error:
                if "no such key" not in str(error):
                    raise
                return None
        return about

    def _fetch(self, limit: int) -> list[_Batch]:
        """What is there, of all streams alike; of those that have more, again."""
        fetched, names = _Fetched(), self._in_turn()
        while names and fetched.count < limit and fetched.size < _BYTES:
            left = limit - fetched.count
            names = names[:left]
            try:
                names = self._fetch_from(names, min(left // len(names), self._step), fetched)
            except StoreError:
                if not fetched.count:
                    raise
                break  # it will be told when these are taken
        if fetched.count:
            self._step = min(max(_BYTES * fetched.count // max(fetched.size, 1), 1), _STEP)
        return fetched.batches

    def _fetch_from(self, names: Sequence[str], most: int, fetched: _Fetched) -> list[str]:
        """The next entries of some streams; say which may have more."""
        more = []
        for name, entries in zip(names, self._ranges(names, most + 1), strict=True):
            reading = self._reading[name]
            if not entries and reading.taken and (last := self._last(name)) is not None:
                reading.ends(last)
            new, gap = reading.accept(entries, most)
            if new:
                fetched.add(name, new, gap)
            if len(new) == most:
                more.append(name)
        return more

    def _in_turn(self) -> list[str]:
        """The streams that are read, each time another first."""
        names = list(self._reading)
        self._turn = (self._turn + 1) % max(len(names), 1)
        return names[self._turn :] + names[: self._turn]

    def _has_news(self, until: float) -> bool:
        """Wait for entries; whether there are any in time."""
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK, left))
            if self._is_news(list(self._reading)):
                return True
        return False

    def _is_news(self, names: Sequence[str]) -> bool:
        """Whether there are entries that were not taken; their like is not fetched again and again."""
        return any(self._ranges(names, 1, beyond="("))
