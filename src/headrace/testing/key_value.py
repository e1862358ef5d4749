"""What every key-value store must do, as tests to inherit.

The test of a new adapter is a class with one fixture::

    class TestMyStore(KeyValueSuite):
        @pytest.fixture
        def store(self, clock):
            with MyStore(..., clock=clock) as store:
                yield store

A store that has `transaction` and `snapshot` inherits `headrace.testing.transactional.TransactionalSuite`
instead. The suite may delete everything in the store that it is given.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.clock import SECOND, FixedClock
from headrace.errors import DataError, StoreError
from headrace.ports.key_value import KeyValue
from headrace.testing.key_value_verbs import THREADS, VERBS, Model, agree, do, in_threads

__all__ = ["KeyValueSuite"]

_LONG = b"/".join([b"a long key"] * 60)


def _drawn(seed: int, *lengths: int) -> list[bytes]:
    """Byte strings of these lengths, the same ones every time."""
    draw = random.Random(seed)  # noqa: S311 - test data, not a secret
    return [draw.randbytes(length) for length in lengths]


class KeyValueSuite:
    """The port's promises; inherit this, and give it the fixture `store`, empty and living by `clock`."""

    @pytest.fixture
    def clock(self) -> FixedClock:
        """The clock that the store must be given."""
        return FixedClock("2026-03-01T00:00:00Z")

    def test_it_is_a_key_value_store(self, store: KeyValue) -> None:
        """Every verb of the port is there."""
        assert isinstance(store, KeyValue)

    def test_values_come_in_the_order_of_the_keys(self, store: KeyValue) -> None:
        """Repeated and unknown keys included."""
        store.multi_put([(b"a", b"1"), (b"b", b"2")])
        assert store.multi_get([b"b", b"?", b"a", b"b"]) == [b"2", None, b"1", b"2"]
        assert store.multi_get([]) == []

    def test_a_put_replaces_and_the_last_of_one_key_counts(self, store: KeyValue) -> None:
        """Within one call too."""
        store.multi_put([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
        store.multi_put(iter([(b"b", b"4")]))
        assert list(store.scan(b"")) == [(b"a", b"3"), (b"b", b"4")]

    def test_an_empty_value_is_a_value(self, store: KeyValue) -> None:
        """And not a missing one."""
        store.multi_put([(b"a", b"")])
        assert store.multi_get([b"a", b"b"]) == [b"", None]
        assert list(store.scan(b"")) == [(b"a", b"")]
        assert not store.compare_and_set(b"a", None, b"1")
        assert store.compare_and_set(b"a", b"", b"1")

    def test_an_empty_key_is_refused(self, store: KeyValue) -> None:
        """Everywhere, before anything is written."""
        for verb in (
            lambda: store.multi_get([b"a", b""]),
            lambda: store.multi_put([(b"a", b"1"), (b"", b"2")]),
            lambda: store.delete([b""]),
            lambda: store.compare_and_set(b"", None, b"1"),
        ):
            with pytest.raises(DataError):
                verb()
        assert list(store.scan(b"")) == []

    def test_deleting_what_is_not_there_is_no_error(self, store: KeyValue) -> None:
        """Nor is deleting nothing."""
        store.multi_put([(b"a", b"1"), (b"b", b"2")])
        store.delete(iter([b"a", b"?"]))
        store.delete([])
        store.delete_prefix(b"?")
        assert list(store.scan(b"")) == [(b"b", b"2")]

    def test_a_value_of_a_megabyte_comes_back_whole(self, store: KeyValue) -> None:
        """Through every way of reading."""
        (value,) = _drawn(1, 1 << 20)
        store.multi_put([(b"large", value), (_LONG, value)])
        assert store.multi_get([b"large", _LONG]) == [value, value]
        assert [v for _, v in store.scan(b"")] == [value, value]

    def test_keys_may_be_any_bytes_of_any_length(self, store: KeyValue) -> None:
        """From 1 to 2,000."""
        keys = [bytes([byte]) for byte in range(256)] + ["ключ/鍵/🔑".encode()]
        keys += _drawn(2, *range(380, 540), 1_000, 2_000)
        items = {key: key[:3] + b"!" for key in keys}
        store.multi_put(items.items())
        assert store.multi_get(keys) == [items[key] for key in keys]
        assert list(store.scan(b"")) == sorted(items.items())

    def test_long_keys_that_share_their_beginning_stay_apart(self, store: KeyValue) -> None:
        """However long that beginning is."""
        start, *ends = _drawn(3, 480, *range(60), *range(60), *range(60))
        keys = sorted({start[: (399, 400, 480)[number // 60]] + end for number, end in enumerate(ends)})
        left = {key: bytes([number % 256]) for number, key in enumerate(keys)}
        store.multi_put(left.items())
        store.delete(keys[::3])
        for key in keys[::3]:
            del left[key]
        assert store.multi_get(keys) == [left.get(key) for key in keys]
        for prefix in (start[:10], start[:399], start[:400], start, start + b"?", *keys[:20]):
            assert list(store.scan(prefix)) == sorted(i for i in left.items() if i[0].startswith(prefix))

    def test_a_scan_is_in_order_and_ends_with_its_prefix(self, store: KeyValue) -> None:
        """At bytes where prefixes are often got wrong."""
        keys = [
            b"a",
            b"a\x00",
            b"a\xff",
            b"a\xff\xff",
            b"ab",
            b"b",
            b"\xff",
            b"\xff\xff",
            b"\x00",
            b"\x00\xff",
        ]
        store.multi_put([(key, key) for key in keys])
        for prefix in [b"", b"?", *keys]:
            expected = sorted(key for key in keys if key.startswith(prefix))
            assert [key for key, _ in store.scan(prefix)] == expected

    def test_a_long_scan_is_complete_though_others_write(self, store: KeyValue) -> None:
        """What stays untouched is in it once, in order; it may be given up at any time."""
        kept = [b"k%05d" % number for number in range(0, 7_000, 2)]
        store.multi_put([(key, b"v" * 30) for key in kept])
        given_up = store.scan(b"k")
        assert next(given_up)[0] == kept[0]
        seen = []
        for number, (key, _) in enumerate(store.scan(b"k")):
            if number % 100 == 0:
                store.multi_put([(b"k%05d" % (2 * number + 201), b"new")])
                store.delete([b"k%05d" % (2 * number + 1)])
            seen.append(key)
        assert seen == sorted(set(seen))
        assert set(kept) <= set(seen)

    def test_a_long_scan_of_long_keys_is_complete(self, store: KeyValue) -> None:
        """And in order, whether they differ early or late."""
        keys = [b"%04d" % (number % 50) + b"x" * 500 + b"%04d" % number for number in range(2_500)]
        store.multi_put([(key, b"v" * 10) for key in keys])
        store.multi_put([(key[:-4], b"v" * 10) for key in keys[:50]])
        assert [key for key, _ in store.scan(b"")] == sorted(keys + [key[:-4] for key in keys[:50]])

    def test_a_prefix_is_deleted_to_the_last_record(self, store: KeyValue) -> None:
        """And nothing beside it."""
        inside = [b"ab%06d" % number for number in range(12_000)] + [b"ab" + _LONG]
        beside = [b"a", b"aa\xff", b"ac", b"b", _LONG]
        store.multi_put([(key, b"v") for key in inside + beside])
        store.delete_prefix(b"ab")
        assert [key for key, _ in store.scan(b"")] == sorted(beside)
        store.delete_prefix(b"")
        assert list(store.scan(b"")) == []

    @pytest.mark.parametrize("key", [b"key", _LONG], ids=["short", "long"])
    def test_compare_and_set_writes_only_what_was_expected(self, store: KeyValue, key: bytes) -> None:
        """None stands for no record, on both sides."""
        assert not store.compare_and_set(key, b"1", b"2")
        assert store.multi_get([key]) == [None]
        assert store.compare_and_set(key, None, None)
        assert store.compare_and_set(key, None, b"1")
        assert not store.compare_and_set(key, None, b"2")
        assert not store.compare_and_set(key, b"2", b"3")
        assert store.compare_and_set(key, b"1", b"2")
        assert store.multi_get([key]) == [b"2"]
        assert not store.compare_and_set(key, b"1", None)
        assert store.compare_and_set(key, b"2", None)
        assert store.multi_get([key]) == [None]

    def test_of_many_threads_one_wins(self, store: KeyValue) -> None:
        """From the same expectation, every time."""

        def claim(round_: int) -> list[bool]:
            old, new = None if round_ == 0 else b"%d" % round_, b"%d" % (round_ + 1)
            return in_threads(lambda _: store.compare_and_set(b"k", old, new))

        for round_ in range(30):
            assert claim(round_).count(True) == 1

    def test_no_increment_of_many_threads_is_lost(self, store: KeyValue) -> None:
        """A counter counts every success."""
        each = 25

        def count(_: int) -> int:
            done = 0
            while done < each:
                (value,) = store.multi_get([b"counter"])
                done += store.compare_and_set(b"counter", value, b"%d" % (int(value or 0) + 1))
            return done

        assert sum(in_threads(count)) == each * THREADS
        assert store.multi_get([b"counter"]) == [b"%d" % (each * THREADS)]

    def test_a_reader_sees_whole_values(self, store: KeyValue) -> None:
        """The old or the new, while others write."""
        store.multi_put([(b"k", b"0" * 50_000)])

        def work(number: int) -> bool:
            if number < THREADS // 2:
                for step in range(20):
                    store.multi_put([(b"k", b"%d" % ((number + step) % 10) * 50_000)])
                return True
            values = [store.multi_get([b"k"])[0] or b"" for _ in range(100)]
            return all(len(value) == 50_000 and len(set(value)) == 1 for value in values)

        assert all(in_threads(work))

    @pytest.mark.parametrize("key", [b"key", _LONG], ids=["short", "long"])
    def test_a_record_is_gone_from_its_expiry_on(
        self, store: KeyValue, clock: FixedClock, key: bytes
    ) -> None:
        """For every verb, at that very instant."""
        store.multi_put([(key, b"1")], expire_at=clock.now() + SECOND)
        store.multi_put([(b"other", b"2")])
        clock.advance(SECOND - 1)
        assert store.multi_get([key, b"other"]) == [b"1", b"2"]
        assert (key, b"1") in list(store.scan(b""))
        assert not store.compare_and_set(key, None, b"3")
        clock.advance(1)
        assert store.multi_get([key, b"other"]) == [None, b"2"]
        assert list(store.scan(b"")) == [(b"other", b"2")]
        assert not store.compare_and_set(key, b"1", b"3")
        assert store.compare_and_set(key, None, b"3", expire_at=clock.now() + 1)
        assert store.multi_get([key]) == [b"3"]
        clock.advance(1)
        assert store.multi_get([key]) == [None]

    @pytest.mark.parametrize("key", [b"key", _LONG], ids=["short", "long"])
    def test_every_write_sets_the_expiry_anew(self, store: KeyValue, clock: FixedClock, key: bytes) -> None:
        """Later, earlier, or never; what is written in the past was never there."""
        soon, late = clock.now() + 1, clock.now() + 10
        store.multi_put([(key, b"1")], expire_at=soon)
        store.multi_put([(key, b"2")], expire_at=late)
        clock.advance(5)
        assert store.multi_get([key]) == [b"2"]
        assert store.compare_and_set(key, b"2", b"3")
        clock.advance(100)
        assert store.multi_get([key]) == [b"3"]
        store.multi_put([(key, b"4")], expire_at=clock.now())
        assert store.multi_get([key]) == [None]
        assert list(store.scan(b"")) == []

    def test_expired_records_leave_room_to_new_ones(self, store: KeyValue, clock: FixedClock) -> None:
        """Records that expire by the thousand do not disturb those that take their keys."""
        for round_ in range(5):
            items = [(b"%d" % number, b"%d" % round_) for number in range(500)]
            items += [(_LONG + b"%d" % number, b"%d" % round_) for number in range(20)]
            store.multi_put(items, expire_at=clock.now() + 2)
            clock.advance(1)
            assert list(store.scan(b"")) == sorted(items)
        clock.advance(1)
        store.multi_put([(b"last", b"1")], expire_at=clock.now() + 1)
        assert list(store.scan(b"")) == [(b"last", b"1")]

    @settings(
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(verbs=st.lists(VERBS, max_size=25))
    def test_any_run_of_verbs_does_what_the_model_does(
        self, store: KeyValue, clock: FixedClock, verbs: list[tuple[Any, ...]]
    ) -> None:
        """A dictionary is the model."""
        store.delete_prefix(b"")
        model = Model(clock)
        for verb in verbs:
            do(verb, store, model)
        agree(store, model)

    def test_a_closed_store_says_so(self, store: KeyValue) -> None:
        """And may be closed again."""
        store.close()
        store.close()
        for verb in (
            lambda: store.multi_get([b"a"]),
            lambda: store.multi_put([(b"a", b"1")]),
            lambda: store.delete([b"a"]),
            lambda: list(store.scan(b"")),
            lambda: store.compare_and_set(b"a", None, b"1"),
        ):
            with pytest.raises(StoreError, match="closed"):
                verb()
