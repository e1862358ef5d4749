"""A key-value store in Redis, Valkey or a Redis Cluster.

A record is one Redis string, named by the project's prefix and the record's key. The value is led by the
instant it expires at, by the clock this store was given; by one byte where it never does. Redis is told to
forget it too, by its own clock and some time later.

Redis keeps no order of keys: a scan walks all there are and sorts those it wants. It is for maintenance. A
request is one `multi_get`: one round trip, in a cluster one to each node, all of them at once.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import redis
from redis.cluster import RedisCluster
from redis.retry import Retry

from headrace.clock import Clock, SystemClock
from headrace.drivers.redis_connecting import Patience, address_of, options
from headrace.drivers.redis_errors import FAILURES
from headrace.errors import DataError, StoreError
from headrace.stores.redis_errors import ADDRESS, explain
from headrace.stores.redis_vouching import Voucher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

__all__ = ["RedisStore", "value_of"]

_AT_ONCE = 1_000
"""How many commands one pipeline holds, and keys one step of a scan looks at."""
_GRACE_MS = 60_000
"""How long after a record's expiry Redis keeps it: its clock is not the store's."""
_FOREVER, _UNTIL = b"-", b"+"
_INSTANT = 17
"""Digits of an instant, microseconds: enough until the year 5138, and exact as a double of Lua."""

_COMPARE_AND_SET = """
local raw = redis.call('GET', KEYS[1])
local value = nil
if raw and string.sub(raw, 1, 1) == '-' then
  value = string.sub(raw, 2)
elseif raw and tonumber(string.sub(raw, 2, 18)) > tonumber(ARGV[1]) then
  value = string.sub(raw, 19)
end
if ARGV[2] == '-' then
  if value then return 0 end
elseif value ~= string.sub(ARGV[2], 2) then
  return 0
end
if ARGV[3] == '-' then
  redis.call('DEL', KEYS[1])
elseif ARGV[4] == '' then
  redis.call('SET', KEYS[1], string.sub(ARGV[3], 2))
else
  redis.call('SET', KEYS[1], string.sub(ARGV[3], 2), 'PX', ARGV[4])
end
return 1
"""


class RedisStore:
    """A `KeyValue` store in a Redis; safe to use from many threads."""

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        clock: Clock | None = None,
        patience: Patience | None = None,
        vouched: bool = False,
    ) -> None:
        """Connect when something is first asked for.

        Args:
            url: `redis://` or `rediss://` (TLS), `redis+cluster://` or `rediss+cluster://` for a cluster;
                user and password before the host, TLS options as the driver names them behind `?`.
            prefix: What stands before all keys: the project's name. Projects may share a Redis.
            clock: Tells which records have expired; the machine's by default.
            patience: How long Redis is waited for.
            vouched: Whether to refuse servers that nobody has vouched for since they began: those may hold
                what they held some time ago, or nothing. Whoever reads a copy does, whoever writes it not.
        """
        self.address = address_of(url, ADDRESS)
        self._prefix = quote(prefix, safe="").encode() + b":"
        self.voucher = Voucher(self._prefix)
        self.vouched = vouched
        self.clock = clock or SystemClock()
        self.patience = patience or Patience()
        self._closed = False
        self._clients: dict[int, redis.Redis | RedisCluster] = {}
        self._opening = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in their order; None where there is no record."""
        now = self.clock.now()
        with self._client() as client:
            return [value_of(raw, now) for raw in self._raw(client, [self.name_of(key) for key in keys])]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The records whose key starts with `prefix`, as (key, value) in the order of their keys."""
        with self._client() as client:
            names = sorted(set(self._names(client, prefix)))
        skip = len(self._prefix)
        for some in _batches(names):
            now = self.clock.now()
            with self._client() as client:
                found = self._raw(client, some)
            for name, raw in zip(some, found, strict=True):
                value = value_of(raw, now)
                if value is not None:
                    yield name[skip:], value

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        """Write the items; of items with one key the last counts.

        Up to a thousand that never expire appear together, but for a cluster.
        """
        head, ttl = self._expiry(expire_at)
        named = {self.name_of(key): head + value for key, value in items}
        with self._client() as client:
            for some in _batches(named.items()):
                if ttl is None and not self.address.cluster:
                    client.mset(dict(some))
                    continue
                with client.pipeline(transaction=False) as pipe:
                    for name, raw in some:
                        pipe.set(name, raw, px=ttl)
                    pipe.execute()

    def delete(self, keys: Iterable[bytes]) -> None:
        """Delete the records of the keys."""
        names = [self.name_of(key) for key in keys]
        with self._client() as client:
            self._unlink(client, names)

    def delete_prefix(self, prefix: bytes) -> None:
        """Delete every record whose key starts with `prefix`, some at a time."""
        with self._client() as client:
            self._unlink(client, self._names(client, prefix))

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, *, expire_at: int | None = None
    ) -> bool:
        """Write `new` if the record's value is `expected`; say whether it was.

        It is one script of Redis. It is not tried again: whether a lost answer was yes nobody can tell.
        """
        head, ttl = self._expiry(expire_at)
        with self._client(attempts=0) as client:
            done = client.eval(
                _COMPARE_AND_SET,
                1,
                self.name_of(key),
                self.clock.now(),
                b"-" if expected is None else b"=" + expected,
                b"-" if new is None else b"=" + head + new,
                "" if ttl is None else ttl,
            )
        return bool(done)

    def servers(self) -> list[str]:
        """Which servers there are, as they run now; see `Copy`."""
        with self._client() as client:
            return [run for _, run in _runs(client)]

    def vouch(self, servers: Sequence[str]) -> None:
        """Vouch for servers as they ran when they were listed; see `Copy`."""
        with self._client() as client:
            for server, run in _runs(client):
                if run in servers:
                    server.script_load(self.voucher.script(run))

    def is_vouched_for(self) -> bool:
        """Whether all servers, as they run now, are vouched for; see `Copy`."""
        with self._client() as client:
            return all(all(server.script_exists(self.voucher.digest(run))) for server, run in _runs(client))

    def close(self) -> None:
        """Let go of the connections."""
        self._closed = True
        with self._opening:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    @contextmanager
    def _client(self, attempts: int | None = None) -> Iterator[Any]:
        """The driver, its errors explained; it tries again as often as patience says, or as is said here."""
        if self._closed:
            raise StoreError("The store is closed.", remedy="Open it again.")
        often = self.patience.attempts if attempts is None else attempts
        try:
            if often not in self._clients:
                with self._opening:
                    self._clients[often] = self._connected(often)
            yield self._clients[often]
        except FAILURES as error:
            raise explain(error, self.address.place) from None

    def _connected(self, attempts: int) -> redis.Redis | RedisCluster:
        chosen = options(self.patience, Retry, attempts)
        if self.address.cluster:
            if self.vouched:
                chosen["redis_connect_func"] = self.voucher.admit  # it has introduced itself by then
            return RedisCluster.from_url(self.address.url, **chosen)
        if self.vouched:
            chosen["redis_connect_func"] = self._introduce
        client: redis.Redis = redis.Redis.from_url(self.address.url, **chosen)
        return client

    def _introduce(self, connection: Any) -> None:
        """Begin a connection to a server that is no cluster's."""
        connection.on_connect()
        self.voucher.admit(connection)

    def name_of(self, key: bytes) -> bytes:
        """What a record is called in Redis.

        Raises:
            DataError: The key is empty.
        """
        if not key:
            raise DataError("A key has no bytes.", remedy="Give every record a key.")
        return self._prefix + key

    def _expiry(self, expire_at: int | None) -> tuple[bytes, int | None]:
        """What leads a value, and how many milliseconds Redis is to keep it."""
        if expire_at is None:
            return _FOREVER, None
        left = max(expire_at - self.clock.now(), 0)
        return _UNTIL + b"%0*d" % (_INSTANT, expire_at), left // 1_000 + _GRACE_MS

    def _raw(self, client: Any, names: Sequence[bytes]) -> list[bytes | None]:
        if not names:
            return []
        found: list[bytes | None]
        if isinstance(client, RedisCluster):
            with client.pipeline() as pipe:  # type: ignore[no-untyped-call]
                for name in names:
                    pipe.get(name)
                found = pipe.execute()
        else:
            found = client.mget(names)
        return found

    def _names(self, client: Any, prefix: bytes) -> Iterator[bytes]:
        """The names of all records whose key starts with `prefix`; some perhaps twice."""
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._prefix + prefix) + b"*"
        names: Iterator[bytes] = client.scan_iter(match=pattern, count=_AT_ONCE)
        return names

    def _unlink(self, client: Any, names: Iterable[bytes]) -> None:
        for some in _batches(names):
            with client.pipeline(transaction=False) as pipe:
                for name in some:
                    pipe.unlink(name)
                pipe.execute()


def _runs(client: Any) -> Iterator[tuple[redis.Redis, str]]:
    """The server, or each primary of a cluster, and which run of it this is."""
    cluster = isinstance(client, RedisCluster)
    servers = map(client.get_redis_connection, client.get_primaries()) if cluster else [client]
    for server in servers:
        yield server, server.info("server")["run_id"]


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(items)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def value_of(raw: bytes | None, now: int) -> bytes | None:
    """The value of what Redis holds; None where it has expired."""
    if raw is None:
        return None
    if raw[:1] == _FOREVER:
        return raw[1:]
    return raw[1 + _INSTANT :] if int(raw[1 : 1 + _INSTANT]) > now else None
