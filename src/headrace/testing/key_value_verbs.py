"""Drawn runs of verbs on a key-value store, a dictionary that says what they must do, and threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from headrace.ports.key_value import KeyValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.clock import FixedClock
    from headrace.ports.key_value import Reader, Writer

__all__ = ["THREADS", "VERBS", "Model", "agree", "do", "in_threads"]

T = TypeVar("T")

THREADS = 8

# Few keys, so that drawn ones meet; they nest in each other, at lengths at which stores change their ways.
KEYS = st.sampled_from(
    [b"a", b"a\x00", b"a\xff", b"b", b"\x00", b"\xff\xff"]
    + [
        b"p" * 398 + end
        for end in (b"", b"pp", b"pp" + b"q" * 80, b"pp" + b"q" * 81, b"pp" + b"q" * 80 + b"a")
    ]
    + [b"p" * 400 + b"r" * 200 + end for end in (b"", b"\x00", b"a")]
)
PREFIXES = st.just(b"") | KEYS | st.sampled_from([b"p", b"p" * 400, b"p" * 401, b"p" * 400 + b"r" * 100])
VALUES = st.sampled_from([b"", b"1", b"two", b"\x00" * 3_000])
EXPIRIES = st.none() | st.integers(-2, 3)
VERBS = st.one_of(
    st.tuples(st.just("put"), st.lists(st.tuples(KEYS, VALUES), max_size=4), EXPIRIES),
    st.tuples(st.just("delete"), st.lists(KEYS, max_size=3)),
    st.tuples(st.just("delete_prefix"), PREFIXES),
    st.tuples(st.just("compare_and_set"), KEYS, st.none() | VALUES, st.none() | VALUES, EXPIRIES),
    st.tuples(st.just("wait"), st.integers(0, 2)),
    st.tuples(st.just("scan"), PREFIXES),
)


class Model:
    """What a store holds, said in the plainest way."""

    def __init__(self, clock: FixedClock) -> None:
        """Nothing is held yet; `clock` says what has expired."""
        self.clock = clock
        self.records: dict[bytes, tuple[bytes, int | None]] = {}

    def living(self) -> dict[bytes, bytes]:
        """The records that have not expired."""
        return {k: v for k, (v, end) in self.records.items() if end is None or end > self.clock.now()}

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Those whose key starts with `prefix`, by key."""
        return sorted((k, v) for k, v in self.living().items() if k.startswith(prefix))

    def put(self, items: list[tuple[bytes, bytes]], expire_at: int | None) -> None:
        """Write the items."""
        self.records.update({key: (value, expire_at) for key, value in items})

    def delete_prefix(self, prefix: bytes) -> None:
        """Delete what starts with `prefix`."""
        self.records = {k: v for k, v in self.records.items() if not k.startswith(prefix)}

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, expire_at: int | None
    ) -> bool:
        """Write `new` over `expected`."""
        if self.living().get(key) != expected:
            return False
        if new is None:
            self.records.pop(key, None)
        else:
            self.records[key] = (new, expire_at)
        return True


def do(verb: tuple[Any, ...], store: Writer, model: Model) -> None:
    """Do one verb to the store and to the model, and compare what they say."""
    now = model.clock.now()
    match verb:
        case ("put", items, after):
            expire_at = None if after is None else now + after
            store.multi_put(items, expire_at=expire_at)
            model.put(items, expire_at)
        case ("delete", keys):
            store.delete(keys)
            model.records = {k: v for k, v in model.records.items() if k not in keys}
        case ("delete_prefix", prefix):
            store.delete_prefix(prefix)
            model.delete_prefix(prefix)
        case ("compare_and_set", key, expected, new, after):
            expire_at = None if after is None else now + after
            assert isinstance(store, KeyValue)
            done = store.compare_and_set(key, expected, new, expire_at=expire_at)
            assert done == model.compare_and_set(key, expected, new, expire_at)
        case ("wait", microseconds):
            model.clock.advance(microseconds)
        case ("scan", prefix):
            assert list(store.scan(prefix)) == model.scan(prefix)
        case _:
            raise AssertionError(verb)


def agree(reader: Reader, model: Model) -> None:
    """Compare all that the reader sees with the model."""
    living = model.living()
    assert list(reader.scan(b"")) == model.scan(b"")
    keys = sorted(model.records)
    assert reader.multi_get(keys) == [living.get(key) for key in keys]


def in_threads(work: Callable[[int], T]) -> list[T]:
    """What `work` returns in each of several threads that begin together."""
    results: dict[int, T] = {}
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        start.wait()
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(THREADS)]  # KeyError: that thread raised
