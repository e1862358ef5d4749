"""What is served is in the copy, whenever a process dies, and whatever the copy goes through."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from headrace.clock import SECOND, FixedClock
from headrace.errors import UnreachableError
from headrace.keys import encode_key
from headrace.online.copying import GRACE, CopiedStore
from headrace.online.layout import LOG, MANIFEST, epoch_prefix, segment_prefix, stream_key
from headrace.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SEGMENT, EPOCH = segment_prefix(7), epoch_prefix("v@1", 0, 20_000, 0)


TURN = threading.Lock()


def turns() -> threading.Lock:
    """One turn after another."""
    return TURN


class Away(MemoryStore):
    """A store that can be away, go away after so many writes, or be restarted with what it held before."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock)
        self.writes: float = float("inf")
        self.runs = 0
        self.walks = 0
        self.vouched: set[str] = set()

    def servers(self) -> list[str]:
        return [str(self.runs)]

    def vouch(self, servers: Sequence[str]) -> None:
        self.vouched |= {server for server in servers if server in self.servers()}

    def is_vouched_for(self) -> bool:
        return self.vouched.issuperset(self.servers())

    def restart(self, held: Mapping[bytes, bytes]) -> None:
        """Come back with other records; scripts are not kept."""
        self.runs += 1
        self.vouched.clear()
        self.delete_prefix(b"")
        super().multi_put(held.items())

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        self.walks += 1
        return super().scan(prefix)

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if self.writes <= 0:
            raise UnreachableError("It is away.")
        return super().multi_get(keys)

    def multi_put(self, items, *, expire_at=None) -> None:  # type: ignore[no-untyped-def]
        if self.writes <= 0:
            raise UnreachableError("It is away.")
        self.writes -= 1
        super().multi_put(items, expire_at=expire_at)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock("2026-03-01T00:00:00Z")


@pytest.fixture
def copy(clock: FixedClock) -> Away:
    return Away(clock)


@pytest.fixture
def store(clock: FixedClock, copy: Away) -> Iterator[CopiedStore]:
    with_turn = CopiedStore(MemoryStore(clock), copy, clock, turns)
    yield with_turn
    with_turn.close()


def served(of: MemoryStore | CopiedStore) -> dict[bytes, bytes]:
    """The records that are served."""
    return {
        key: value
        for key, value in of.scan(b"")
        if key.startswith((SEGMENT, EPOCH, MANIFEST)) or key == stream_key("v@1")
    }


def test_only_what_is_served_is_copied(store: CopiedStore, copy: Away) -> None:
    items = [(SEGMENT + b"u", b"1"), (EPOCH + b"u", b"2"), (MANIFEST, b"m"), (stream_key("v@1"), b"s")]
    store.multi_put([*items, (encode_key((LOG, "clicks", 1)), b"not this")])
    assert served(copy) == dict(items)
    assert not [key for key, value in copy.scan(b"") if value == b"not this"]
    assert store.behind() == 0


def test_records_come_before_what_names_them(store: CopiedStore, copy: Away) -> None:
    store.multi_put([(MANIFEST, b"names none")])
    seen: list[list[bytes]] = []
    put = copy.multi_put
    copy.multi_put = lambda items, **how: (seen.append([k for k, _ in items]), put(items, **how))[1]  # type: ignore[method-assign]
    with store.transaction() as tx:
        tx.multi_put([(MANIFEST, b"names 7")])
        tx.multi_put([(SEGMENT + b"%d" % number, b"1") for number in range(5_000)])
    flat = [key for some in seen for key in some if key != encode_key(("copy",))]
    assert flat[-1] == MANIFEST
    assert len([key for key in flat if key.startswith(SEGMENT)]) == 5_000


@pytest.mark.parametrize("writes", range(8))
def test_a_copy_that_goes_away_anywhere_is_caught_up_with(
    store: CopiedStore, copy: Away, clock: FixedClock, writes: int
) -> None:
    store.multi_put([(SEGMENT + b"u", b"old"), (MANIFEST, b"old")])
    copy.writes = writes
    with store.transaction() as tx:
        tx.multi_put([(SEGMENT + b"%d" % number, b"new") for number in range(4_500)])
        tx.multi_put([(SEGMENT + b"u", b"new"), (MANIFEST, b"new")])
    behind = copy.writes <= 0 and store.trouble is not None
    assert behind == (store.behind() > 0)
    if behind and served(copy) != served(store):
        assert dict(copy.scan(MANIFEST)) == {MANIFEST: b"old"}, "the manifest is copied last"
    copy.writes = float("inf")
    clock.advance(2 * SECOND)
    assert store.catch_up()
    assert served(copy) == served(store)
    assert (store.behind(), store.trouble) == (0, None)


def test_a_copy_that_is_away_is_left_alone_for_a_while(store: CopiedStore, copy: Away) -> None:
    copy.writes = 0
    store.multi_put([(SEGMENT + b"u", b"1")])
    copy.writes = 10
    assert not store.catch_up(), "asked again too soon"
    assert store.catch_up(insist=True)
    copy.writes = 0
    with pytest.raises(UnreachableError):
        store.catch_up(insist=True)


def test_who_dies_before_copying_leaves_it_to_the_next(clock: FixedClock, copy: Away) -> None:
    embedded = MemoryStore(clock)
    dying = CopiedStore(embedded, copy, clock, turns)
    copy.writes = 0
    dying.multi_put([(SEGMENT + b"u", b"1"), (MANIFEST, b"m")])
    copy.writes = float("inf")
    next_one = CopiedStore(embedded, copy, clock, turns)
    next_one.multi_put([(SEGMENT + b"w", b"2")])
    assert served(copy) == {SEGMENT + b"u": b"1", SEGMENT + b"w": b"2", MANIFEST: b"m"}


def test_an_emptied_copy_is_filled_again_by_the_next_write(store: CopiedStore, copy: Away) -> None:
    store.multi_put([(SEGMENT + b"%d" % number, b"1") for number in range(3_000)] + [(MANIFEST, b"m")])
    copy.delete_prefix(b"")
    store.multi_put([(EPOCH + b"u", b"2")])
    assert served(copy) == served(store)


def test_a_copy_of_another_store_is_replaced(clock: FixedClock, copy: Away) -> None:
    other = CopiedStore(MemoryStore(clock), copy, clock, turns)
    other.multi_put([(SEGMENT + b"other", b"1"), (MANIFEST, b"of the other")])
    store = CopiedStore(MemoryStore(clock), copy, clock, turns)
    store.multi_put([(SEGMENT + b"own", b"2"), (MANIFEST, b"m")])
    assert served(copy) == {SEGMENT + b"own": b"2", MANIFEST: b"m"}


def test_refilling_copies_all_and_removes_the_rest(store: CopiedStore, copy: Away) -> None:
    store.multi_put([(SEGMENT + b"u", b"1"), (MANIFEST, b"m")])
    copy.delete_prefix(b"")
    copy.multi_put([(SEGMENT + b"stray", b"?")])
    assert store.refill() == 2
    assert served(copy) == served(store)


def test_what_is_deleted_stays_for_those_who_still_ask(
    store: CopiedStore, copy: Away, clock: FixedClock
) -> None:
    store.multi_put([(SEGMENT + b"u", b"1"), (EPOCH + b"u", b"1"), (MANIFEST, b"m")])
    store.delete_prefix(SEGMENT)
    store.multi_put([(MANIFEST, b"names no 7")])
    clock.advance(GRACE - 1)
    store.catch_up()
    assert copy.multi_get([SEGMENT + b"u"]) == [b"1"]
    clock.advance(2)
    store.catch_up()
    assert served(copy) == {EPOCH + b"u": b"1", MANIFEST: b"names no 7"}


def test_what_came_again_under_a_deleted_prefix_stays(
    store: CopiedStore, copy: Away, clock: FixedClock
) -> None:
    store.multi_put([(EPOCH + b"u", b"1"), (EPOCH + b"w", b"1")])
    store.delete_prefix(EPOCH)
    store.multi_put([(EPOCH + b"u", b"2")])
    clock.advance(GRACE + 1)
    store.catch_up()
    assert served(copy) == {EPOCH + b"u": b"2"}


def test_what_came_from_an_old_snapshot_is_filled_anew(store: CopiedStore, copy: Away) -> None:
    store.multi_put([(SEGMENT + b"u", b"1"), (SEGMENT + b"w", b"1"), (MANIFEST, b"m1")])
    snapshot = dict(copy.scan(b""))
    store.multi_put([(SEGMENT + b"u", b"2"), (MANIFEST, b"m2")])
    copy.restart(snapshot)
    assert not copy.is_vouched_for(), "until it is filled anew readers refuse it"
    store.multi_put([(SEGMENT + b"w", b"2")])
    assert served(copy) == served(store)
    assert copy.is_vouched_for()


@pytest.mark.parametrize("writes", range(1, 9))
def test_a_restart_amid_copying_loses_nothing(store: CopiedStore, copy: Away, writes: int) -> None:
    store.multi_put([(SEGMENT + b"u", b"old"), (MANIFEST, b"old")])
    held: list[dict[bytes, bytes]] = []
    put = copy.multi_put

    def restarting(items: Sequence[tuple[bytes, bytes]], **how: int) -> None:
        nonlocal writes
        writes -= 1
        if writes == 0:
            copy.restart(held[-1])
        put(items, **how)
        held.append(dict(copy.scan(b"")))

    held.append(dict(copy.scan(b"")))
    copy.multi_put = restarting  # type: ignore[method-assign, assignment]
    with store.transaction() as tx:
        tx.multi_put([(SEGMENT + b"%d" % number, b"new") for number in range(4_500)])
        tx.multi_put([(SEGMENT + b"u", b"new"), (MANIFEST, b"new")])
    store.catch_up(insist=True)
    assert served(copy) == served(store)
    assert copy.is_vouched_for()


def test_a_record_that_came_from_a_backup_fills_the_copy_anew(clock: FixedClock, copy: Away) -> None:
    embedded = MemoryStore(clock)
    store = CopiedStore(embedded, copy, clock, turns)
    store.multi_put([(SEGMENT + b"u", b"1"), (MANIFEST, b"m1")])
    backup = dict(embedded.scan(b""))
    store.multi_put([(SEGMENT + b"u", b"2"), (SEGMENT + b"w", b"2"), (MANIFEST, b"m2")])
    store.multi_put([(SEGMENT + b"u", b"3")])
    embedded.delete_prefix(b"")
    embedded.multi_put(backup.items())
    assert CopiedStore(embedded, copy, clock, turns).catch_up()
    assert served(copy) == served(store)


def test_single_keys_that_are_deleted_go_without_a_walk(
    store: CopiedStore, copy: Away, clock: FixedClock
) -> None:
    keys = [SEGMENT + b"u", SEGMENT + b"u2", EPOCH + b"u"]
    store.multi_put([(key, b"1") for key in (*keys, SEGMENT + b"other")])
    store.delete(keys)
    store.multi_put([(EPOCH + b"u", b"came again")])
    clock.advance(GRACE + 1)
    copy.walks = 0
    store.catch_up()
    assert copy.walks == 0
    assert served(copy) == {SEGMENT + b"other": b"1", EPOCH + b"u": b"came again"}


def test_prefixes_that_are_deleted_go_in_one_walk(store: CopiedStore, copy: Away, clock: FixedClock) -> None:
    segments = [segment_prefix(number) for number in range(1, 6)]
    store.multi_put([(segment + b"u", b"1") for segment in segments])
    for segment in segments[:4]:
        store.delete_prefix(segment)
    clock.advance(GRACE + 1)
    copy.walks = 0
    store.catch_up()
    assert copy.walks == 1
    assert list(copy.scan(segments[0])) == []
    assert list(copy.scan(segments[4])) == [(segments[4] + b"u", b"1")]


def test_what_is_deleted_now_goes_at_once_and_what_came_again_stays(store: CopiedStore, copy: Away) -> None:
    keys = [SEGMENT + b"gone", SEGMENT + b"again", SEGMENT + b"before", SEGMENT + b"other"]
    store.multi_put([(key, b"1") for key in keys])
    store.delete(keys)
    store.multi_put([(SEGMENT + b"again", b"2")])
    store.delete_now(lambda key: key.endswith(b"before"), keys[:2])
    assert served(copy) == {SEGMENT + b"again": b"2", SEGMENT + b"other": b"1"}
    marks = [key for key, _ in store.scan(b"\x05copy") if b"gone" in key or b"before" in key]
    assert marks == []
