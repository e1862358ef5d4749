"""A store that counts the steps of a work and kills the process at one of them.

A step lies before and after everything that changes the store, and before and after each commit. The store is
the port itself, handed on to the real one; what is killed is the real process, by SIGKILL.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from headrace.online.shares import Locks
    from headrace.ports.event_stream import EventStream, Messages
    from headrace.ports.key_value import OneHost, Reader, Writer
    from headrace.registry.registry import Registry

FOR_EVER = 1 << 30


Fatal = int | tuple[str, int]
"""A step by its number, from 0 on, or by its name and which of that name, from 1 on."""


class Steps:
    """Counts steps; the process gets a signal at one of them."""

    def __init__(self, fatal: Fatal = FOR_EVER, sent: int = signal.SIGKILL) -> None:
        """Nothing was done yet.

        Args:
            fatal: The step.
            sent: The signal: the end, or a pause (SIGSTOP).
        """
        self.names: list[str] = []
        self._fatal = fatal
        self._sent = sent

    def step(self, name: str) -> None:
        fatal = self._fatal
        at = len(self.names) if isinstance(fatal, int) else (name, self.names.count(name) + 1)
        if at == fatal:
            os.kill(os.getpid(), self._sent)
        self.names.append(name)

    def around(self, name: str, work: Callable[[], Any]) -> Any:
        self.step(f"before {name}")
        result = work()
        self.step(f"after {name}")
        return result


class DeadlyWriter:
    """The writes of a store or of a transaction."""

    def __init__(self, inner: Writer, steps: Steps, where: str) -> None:
        self._inner = inner
        self._steps = steps
        self._where = where

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._inner.multi_get(keys)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._inner.scan(prefix)

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        self._steps.around(f"{self._where}put", lambda: self._inner.multi_put(items, expire_at=expire_at))

    def delete(self, keys: Iterable[bytes]) -> None:
        self._steps.around(f"{self._where}delete", lambda: self._inner.delete(keys))

    def delete_prefix(self, prefix: bytes) -> None:
        self._steps.around(f"{self._where}delete_prefix", lambda: self._inner.delete_prefix(prefix))


class DeadlyStore(DeadlyWriter):
    """The port."""

    def __init__(self, inner: OneHost, steps: Steps) -> None:
        super().__init__(inner, steps, "")
        self._store = inner

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, *, expire_at: int | None = None
    ) -> bool:
        work = lambda: self._store.compare_and_set(key, expected, new, expire_at=expire_at)  # noqa: E731
        done: bool = self._steps.around("compare_and_set", work)
        return done

    @contextmanager
    def transaction(self) -> Iterator[Writer]:
        self._steps.step("before begin")
        with self._store.transaction() as inner:
            yield DeadlyWriter(inner, self._steps, "in transaction: ")
            self._steps.step("before commit")
        self._steps.step("after commit")

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        with self._store.snapshot() as inner:
            yield inner

    def close(self) -> None:
        self._store.close()


class DeadlyRegistry:
    """The registry, as far as a load writes to it."""

    def __init__(self, inner: Registry, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def record_run(self, *arguments: Any) -> None:
        self._steps.around("record_run", lambda: self._inner.record_run(*arguments))


class DeadlyStream:
    """The event-stream port."""

    def __init__(self, inner: EventStream, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps
        self.partitions = inner.partitions
        self.behind = inner.behind

    def begin(self, partition: str, after: str | None, since: int) -> None:
        self._steps.around("begin of a partition", lambda: self._inner.begin(partition, after, since))

    def end(self, partition: str) -> None:
        self._steps.around("end of a partition", lambda: self._inner.end(partition))

    def take(self, limit: int, wait: float) -> list[Messages]:
        found = self._inner.take(limit, wait)
        if found:
            self._steps.step("after read")
        return found

    def done(self, partition: str, after: str) -> None:
        self._steps.around("done", lambda: self._inner.done(partition, after))

    def close(self) -> None:
        self._steps.around("close of the stream", self._inner.close)


class DeadlyLocks:
    """What workers share partitions by."""

    def __init__(self, inner: Locks, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps
        self.is_free = inner.is_free

    def take(self, name: str) -> bool:
        taken: bool = self._steps.around("lock", lambda: self._inner.take(name))
        return taken

    def let_go(self, name: str) -> None:
        self._steps.around("let go", lambda: self._inner.let_go(name))
