"""What every store with transactions and snapshots must do besides, as tests to inherit."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import DataError, StoreError
from headrace.ports.key_value import KeyValue, Transactional
from headrace.testing.key_value import KeyValueSuite
from headrace.testing.key_value_verbs import THREADS, VERBS, Model, agree, do, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.clock import FixedClock

    class TransactionalKeyValue(KeyValue, Transactional):
        """A store of one host."""


__all__ = ["TransactionalSuite"]

_LONG = b"/".join([b"a long key"] * 60)


class _StopError(Exception):
    """Ends a block on purpose."""


class TransactionalSuite(KeyValueSuite):
    """The promises of `Transactional` besides; inherit this, and give it the fixture `store`."""

    def test_it_is_transactional(self, store: TransactionalKeyValue) -> None:
        """Every verb of the port is there."""
        assert isinstance(store, Transactional)

    def test_a_transaction_reads_its_own_writes(self, store: TransactionalKeyValue) -> None:
        """And the state it began with, besides."""
        store.multi_put([(b"a", b"1"), (b"b", b"1"), (b"c/1", b"1"), (b"c/2", b"1"), (_LONG, b"1")])
        with store.transaction() as change:
            change.multi_put([(b"a", b"2"), (b"d", b"2")])
            change.delete([b"b", _LONG])
            change.delete_prefix(b"c/")
            assert change.multi_get([b"a", b"b", b"c/1", b"d", _LONG]) == [b"2", None, None, b"2", None]
            assert list(change.scan(b"")) == [(b"a", b"2"), (b"d", b"2")]
        assert list(store.scan(b"")) == [(b"a", b"2"), (b"d", b"2")]

    def test_others_see_all_of_a_transaction_or_nothing(self, store: TransactionalKeyValue) -> None:
        """Readers go on while it is open, and see the state before."""
        before = [(b"k%03d" % number, b"old") for number in range(300)]
        store.multi_put(before)

        def work(number: int) -> bool:
            if number == 0:
                for step in range(20):
                    with store.transaction() as change:
                        for key, _ in before:
                            change.multi_put([(key, b"%d" % step)])
                return True
            return all(len(set(store.multi_get([key for key, _ in before]))) == 1 for _ in range(30))

        assert all(in_threads(work))
        assert {value for _, value in store.scan(b"")} == {b"19"}

    def test_a_reader_does_not_wait_for_a_transaction(self, store: TransactionalKeyValue) -> None:
        """Not even within it."""
        store.multi_put([(b"a", b"1")])
        with store.transaction() as change:
            change.multi_put([(b"a", b"2")])
            assert set(in_threads(lambda _: store.multi_get([b"a"])[0])) == {b"1"}
            assert store.multi_get([b"a"]) == [b"1"]
            assert list(store.scan(b"")) == [(b"a", b"1")]
        assert store.multi_get([b"a"]) == [b"2"]

    def test_an_exception_undoes_the_transaction(self, store: TransactionalKeyValue) -> None:
        """And comes through as it is; the store goes on."""
        store.multi_put([(b"a", b"1")])

        def stopped() -> None:
            with store.transaction() as change:
                change.multi_put([(b"a", b"2"), (b"b", b"2")])
                change.delete_prefix(b"a")
                raise _StopError

        with pytest.raises(_StopError):
            stopped()
        assert list(store.scan(b"")) == [(b"a", b"1")]
        with store.transaction() as change:
            change.multi_put([(b"a", b"3")])
        assert store.multi_get([b"a"]) == [b"3"]

    def test_a_refused_verb_leaves_the_transaction_as_it_was(self, store: TransactionalKeyValue) -> None:
        """Whoever catches the error may go on."""
        with store.transaction() as change:
            change.multi_put([(b"a", b"1")])
            with pytest.raises(DataError):
                change.multi_put([(b"b", b"1"), (b"", b"1")])
            with pytest.raises(DataError):
                change.delete([b"a", b""])
        assert list(store.scan(b"")) == [(b"a", b"1")]

    def test_a_scan_goes_on_while_its_transaction_writes(self, store: TransactionalKeyValue) -> None:
        """To every record that stays untouched."""
        store.multi_put([(b"k%05d" % number, b"1") for number in range(3_000)])
        with store.transaction() as change:
            for key, value in change.scan(b"k"):
                if value == b"1":
                    change.multi_put([(key, b"2")])
                    change.delete([b"x" + key])
        assert {value for _, value in store.scan(b"")} == {b"2"}

    def test_transactions_of_many_threads_take_turns(self, store: TransactionalKeyValue) -> None:
        """So that what is read in one is still so when it writes."""

        def count(_: int) -> None:
            for _ in range(20):
                with store.transaction() as change:
                    (value,) = change.multi_get([b"counter"])
                    change.multi_put([(b"counter", b"%d" % (int(value or 0) + 1))])

        in_threads(count)
        assert store.multi_get([b"counter"]) == [b"%d" % (20 * THREADS)]

    def test_a_thread_has_one_transaction(self, store: TransactionalKeyValue) -> None:
        """A second, or a write past it, would wait for the first for ever; it is refused."""
        with store.transaction() as change:
            change.multi_put([(b"a", b"1")])
            with pytest.raises(StoreError, match="transaction is open"), store.transaction():
                pass
            with pytest.raises(StoreError, match="transaction is open"):
                store.multi_put([(b"a", b"2")])
        assert store.multi_get([b"a"]) == [b"1"]

    def test_a_snapshot_is_one_state(self, store: TransactionalKeyValue, clock: FixedClock) -> None:
        """Whatever is written, deleted or expires meanwhile; another begins with the new one."""
        store.multi_put([(b"a", b"1"), (b"b", b"1"), (_LONG, b"1")])
        store.multi_put([(b"e", b"1")], expire_at=clock.now() + 1)
        keys = [b"a", b"b", b"c", b"e", _LONG]
        with store.snapshot() as view:
            store.multi_put([(b"a", b"2"), (b"c", b"2"), (_LONG, b"2")])
            store.delete([b"b"])
            clock.advance(1)
            store.multi_put([(b"f", b"2")], expire_at=clock.now() + 1)
            assert view.multi_get(keys) == [b"1", b"1", None, b"1", b"1"]
            assert list(view.scan(b"")) == [(b"a", b"1"), (_LONG, b"1"), (b"b", b"1"), (b"e", b"1")]
            with store.snapshot() as later:
                assert later.multi_get(keys) == [b"2", None, b"2", None, b"2"]
        assert store.multi_get(keys) == [b"2", None, b"2", None, b"2"]

    def test_a_transaction_lives_at_one_instant(
        self, store: TransactionalKeyValue, clock: FixedClock
    ) -> None:
        """What it has seen alive does not expire within it."""
        store.multi_put([(b"a", b"1")], expire_at=clock.now() + 1)
        with store.transaction() as change:
            assert change.multi_get([b"a"]) == [b"1"]
            clock.advance(1)
            assert change.multi_get([b"a"]) == [b"1"]
        assert store.multi_get([b"a"]) == [None]

    def test_the_end_of_a_block_ends_its_verbs(self, store: TransactionalKeyValue) -> None:
        """For good."""
        with store.snapshot() as view:
            view.multi_get([b"a"])
        with store.transaction() as change:
            change.multi_put([(b"a", b"1")])
        ended: list[Callable[[], object]] = [
            lambda: view.multi_get([b"a"]),
            lambda: list(view.scan(b"")),
            lambda: change.multi_get([b"a"]),
            lambda: change.multi_put([(b"a", b"2")]),
            lambda: change.delete([b"a"]),
            lambda: change.delete_prefix(b""),
        ]
        for verb in ended:
            with pytest.raises(StoreError, match="ended"):
                verb()
        assert store.multi_get([b"a"]) == [b"1"]

    @settings(
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(runs=st.lists(st.tuples(st.lists(VERBS, max_size=8), st.booleans()), max_size=4))
    def test_any_run_of_transactions_does_what_the_model_does(
        self, store: TransactionalKeyValue, clock: FixedClock, runs: list[tuple[list[tuple[Any, ...]], bool]]
    ) -> None:
        """Kept or undone; a snapshot from before keeps its state."""
        store.delete_prefix(b"")
        model = Model(clock)
        for verbs, kept in runs:
            with store.snapshot() as view:
                old, was = model.scan(b""), dict(model.records)
                with contextlib.suppress(_StopError), store.transaction() as change:
                    for verb in verbs:
                        if verb[0] not in {"compare_and_set", "wait"}:
                            do(verb, change, model)
                    agree(change, model)
                    if not kept:
                        model.records = was
                        raise _StopError
                assert list(view.scan(b"")) == old
            agree(store, model)
