"""One LMDB environment for each process and path, shared by every store that is open on it.

LMDB asks much of a process, and this is where it is granted:

* A file may be open only once in a process, or closing one handle takes away the locks of the other:
  handles on one path share one environment, counted. One that needs more (to write, to sync) reopens it
  for all.
* The map may be replaced only while no transaction is open: reads and writes go through a gate, and whoever
  makes the map larger is alone behind it. The map grows by doubling when a write does not fit, and follows
  when another process has made it larger.
* An environment may not be used after a fork: it is closed before one and opened again at its next use, in
  parent and child. If a transaction or snapshot is open just then, the parent goes on with it and the child
  is refused.
* Readers that died stay in the reader table and keep old pages alive: they are cleared when a process opens
  the environment, when the map would grow, and when the table is full.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

import lmdb

from headrace.errors import StoreError
from headrace.stores.gate import Gate, GateBusyError
from headrace.stores.lmdb_errors import explain, explain_path
from headrace.stores.lmdb_opening import Opening, identity, open_environment
from headrace.stores.lmdb_rewriting import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SharedEnvironment", "keep_for_ever", "share", "unshare"]

_PATIENCE = 30.0  # seconds to wait for others' reads before the map can be replaced
_FORK_PATIENCE = 0.2


class SharedEnvironment:
    """The environment of a path in this process; opened when used, and again after it had to be closed."""

    def __init__(self, path: str, opening: Opening) -> None:
        """Nothing is opened yet.

        Args:
            path: The directory, links resolved.
            opening: How to open it.
        """
        self.path = path
        self.generation = 0
        """Rises in a fork's child: what was begun in an earlier generation is not this process's."""
        self.handles = 0
        self._opening = opening
        self._env: lmdb.Environment | None = None
        self._identity: tuple[int, int] | None = None
        self._closed = False
        self._orphaned = False
        self._shut_for_fork = False
        self._renew_locks()

    def _renew_locks(self) -> None:
        self._gate = Gate()
        self._opening_lock = threading.Lock()
        self._turn = threading.Lock()
        self._writing_thread: int | None = None

    def enter(self, *, stay: int | None = None) -> lmdb.Environment:
        """Begin to use the environment: nobody replaces its map before `leave`.

        Args:
            stay: The thread, if it comes back to its caller before it leaves.

        Raises:
            StoreError: It cannot be opened.
        """
        self._gate.enter(stay=stay)
        env = self._env
        if env is not None:
            return env
        try:
            return self._open()
        except BaseException:
            self._gate.leave(stay=stay)
            raise

    def leave(self, *, stay: int | None = None) -> None:
        """End a use, as `enter` began it."""
        self._gate.leave(stay=stay)

    def take_turn(self) -> None:
        """Wait for this thread's turn among the writers of this process; `end_turn` gives it up.

        Raises:
            StoreError: It is this thread's turn already.
        """
        if self._writing_thread == threading.get_ident():
            raise StoreError(
                "A transaction is open in this thread.", remedy="Write through it, or end its block first."
            )
        self._turn.acquire()
        self._writing_thread = threading.get_ident()

    def end_turn(self) -> None:
        """Let the next writer in."""
        self._writing_thread = None
        self._turn.release()

    def need(self, opening: Opening) -> None:
        """Serve this opening too; reopens the environment if it cannot as it is."""
        joined = self._opening.joined(opening)
        if (joined.writable, joined.sync) != (self._opening.writable, self._opening.sync):
            with self._alone("another handle opens it in another way"):
                self._close()
        self._opening = joined

    def is_current(self) -> bool:
        """Whether the open files are still those at the path, and not ones deleted since."""
        return self._identity is None or self._identity == identity(self.path)

    def size(self) -> int:
        """Bytes of the map; to be asked inside."""
        return self._opened().info()["map_size"]

    def grow(self, beyond: int) -> None:
        """Make the map larger than `beyond` bytes, unless it is by now."""
        with self._alone("its map must grow"):
            env = self._opened()
            env.reader_check()
            env.set_mapsize(0)  # another process may have made it larger
            if env.info()["map_size"] <= beyond:
                env.set_mapsize(2 * beyond)

    def mend(self, failure: lmdb.Error) -> None:
        """Do what makes an operation that failed worth another try; to be called outside.

        Raises:
            HeadraceError: Nothing does.
        """
        if isinstance(failure, lmdb.MapResizedError):  # another process has made the map larger
            with self._alone("its map has grown"):
                self._opened().set_mapsize(0)
            return
        if isinstance(failure, lmdb.ReadersFullError) and self._clear_readers():
            return
        raise explain(failure, self.path) from failure

    def _clear_readers(self) -> int:
        """Clear the slots of processes that died; how many those were."""
        env = self.enter()
        try:
            return env.reader_check()
        finally:
            self.leave()

    def close(self) -> None:
        """Close the environment for good; data that only the system's memory holds is written out first."""
        with self._alone("it is to be closed"):
            if self._env is not None and self._opening.writable and self._opening.sync == "kill":
                self._env.sync(True)  # noqa: FBT003 - lmdb's `force`
            self._close()
            self._closed = True

    def scrub(self) -> bool:
        """Take deleted bytes out of the file; False where another process has it open."""
        with self._alone("it is to be written anew"):
            self._close()
            try:
                return rewritten(self.path)
            except OSError as error:
                raise explain_path(error.errno, error.strerror or str(error), self.path) from error

    def flush(self) -> None:
        """Write out what only the system's memory holds."""
        env = self.enter()
        try:
            if self._opening.writable:
                env.sync(True)  # noqa: FBT003 - lmdb's `force`
        except lmdb.Error as error:
            raise explain(error, self.path) from error
        finally:
            self.leave()

    @contextmanager
    def _alone(self, why: str) -> Iterator[None]:
        try:
            self._gate.shut(_PATIENCE)
        except GateBusyError:
            raise StoreError(
                f"A snapshot or transaction on {self.path} stays open, but {why}.",
                asked=self.path,
                remedy="End snapshots and transactions soon, and before the same thread writes past them.",
            ) from None
        try:
            yield
        except lmdb.Error as error:
            self._close()  # a failed change of the map leaves nothing to use
            raise explain(error, self.path) from error
        finally:
            self._gate.reopen()

    def _opened(self) -> lmdb.Environment:
        return self._open() if self._env is None else self._env

    def _open(self) -> lmdb.Environment:
        with self._opening_lock:
            if self._closed:
                raise StoreError("The store is closed.", asked=self.path, remedy="Open it again.")
            if self._orphaned:
                raise StoreError(
                    f"This process was forked while a transaction or snapshot was open on {self.path}.",
                    asked=self.path,
                    remedy="Fork outside of them, or start processes by spawn.",
                )
            if self._env is None:
                self._env = open_environment(self.path, self._opening)
                self._identity = identity(self.path)
            return self._env

    def _close(self) -> None:
        if self._env is not None:
            self._env.close()
        self._env = None

    def before_fork(self) -> None:
        """Close the environment, unless it is in use by more than a moment."""
        try:
            self._gate.shut(_FORK_PATIENCE)
        except GateBusyError:
            return
        self._shut_for_fork = True
        self._close()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._shut_for_fork:
            self._shut_for_fork = False
            self._gate.reopen()

    def after_fork_in_child(self) -> None:
        """Begin anew, with locks that nobody holds here."""
        self.generation += 1
        if not self._shut_for_fork and self._env is not None:
            # Closing it here would free the parent's slots in the reader table: it must never be collected.
            keep_for_ever(self._env)
            self._env = None
            self._orphaned = True
        self._shut_for_fork = False
        self._renew_locks()


def keep_for_ever(thing: object) -> None:
    """Never collect this object, not even when the process ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


_shared: dict[str, SharedEnvironment] = {}
_every: weakref.WeakSet[SharedEnvironment] = weakref.WeakSet()
_sharing = threading.Lock()


def share(path: str | os.PathLike[str], opening: Opening) -> SharedEnvironment:
    """The environment of a path, opened at least as asked; give it back with `unshare`.

    Raises:
        StoreError: The directory cannot be used.
    """
    resolved = os.path.realpath(path)
    with _sharing:
        shared = _shared.get(resolved)
        if shared is None or not shared.is_current():
            shared = SharedEnvironment(resolved, opening)
            _every.add(shared)
        else:
            shared.need(opening)
        shared.enter()
        shared.leave()
        shared.handles += 1
        _shared[resolved] = shared
        return shared


def unshare(shared: SharedEnvironment) -> None:
    """Give back an environment; the last one closes it.

    Raises:
        StoreError: A transaction or snapshot is open on it.
    """
    with _sharing:
        if shared.handles == 1:
            shared.close()
            if _shared.get(shared.path) is shared:
                del _shared[shared.path]
        shared.handles -= 1


def _before_fork() -> None:
    _sharing.acquire()
    for shared in list(_every):
        shared.before_fork()


def _after_fork_in_parent() -> None:
    for shared in list(_every):
        shared.after_fork_in_parent()
    _sharing.release()


def _after_fork_in_child() -> None:
    global _sharing  # noqa: PLW0603 - the parent's lock may be held by a thread that is not here
    for shared in list(_every):
        shared.after_fork_in_child()
    _sharing = threading.Lock()


if sys.platform != "win32":
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
