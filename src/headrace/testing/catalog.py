"""What every catalog must do, as tests to inherit.

The test of a new adapter is a class with one fixture::

    class TestMyCatalog(CatalogSuite):
        @pytest.fixture
        def connect(self, tmp_path):
            return lambda: MyCatalog(tmp_path / "registry")

`connect` opens one and the same catalog, empty at first, each time anew. The suite closes what it opens.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from headrace.errors import ConflictError, StoreError
from headrace.ports.catalog import Activation, Change, Event, Key, Revision, Run, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.ports.catalog import Catalog

__all__ = ["CatalogSuite"]

_THREADS = 8
_ROUNDS = 5
_ADS = Key("view", "ads", "1")

# What databases like to change: escapes, letters beyond ASCII, long runs, many digits.
_CONTENTS = (
    '{"a":1}',
    '{"ä":"é😀\\u0000\\"\\\\ \'%s\' :x ?"}',
    '{"n":0.1000000000000000055511151231257827}',
    '{"a":"' + "x" * 70_000 + '"}',
)


def _revision(key: Key = _ADS, number: int = 1, content: str = "{}", at: int = 7) -> Revision:
    return Revision(key, number, "added", content, "ana", at)


def _event(action: str = "add", key: Key = _ADS, at: int = 7) -> Event:
    return Event(0, action, *key, f"{action} it", "ana", at)


def _stack(*versions: str) -> Stack:
    return Stack(versions, "apply", "ana", 7)


class CatalogSuite:
    """Inherit this, and give it the fixture `connect`."""

    @pytest.fixture
    def catalog(self, connect: Callable[[], Catalog]) -> Iterator[Catalog]:
        """A connection to the empty catalog."""
        with contextlib.closing(connect()) as catalog:
            yield catalog

    def test_a_new_catalog_is_empty(self, catalog: Catalog) -> None:
        """Its counter is 0."""
        found = catalog.snapshot()
        assert catalog.counter() == found.counter == 0
        assert (found.latest, found.created, found.declared, found.stacks) == ({}, {}, frozenset(), {})
        assert not [*catalog.events(), *catalog.runs(), *catalog.revisions("view", "ads")]

    def test_another_connection_finds_all_of_a_commit(
        self, catalog: Catalog, connect: Callable[[], Catalog]
    ) -> None:
        """Revisions, creation, declarations, activations and audit lines."""
        change = Change(
            expected=0,
            revisions=(_revision(),),
            declared={_ADS: True},
            activations=(Activation("view", "ads", _stack("1")),),
            events=(_event(), _event("activate")),
        )
        assert catalog.commit(change) == 1
        with contextlib.closing(connect()) as other:
            found = other.snapshot()
            assert other.counter() == found.counter == 1
            assert found.latest == {_ADS: _revision()}
            assert found.created == {_ADS: 7}
            assert found.declared == {_ADS}
            assert found.stacks == {("view", "ads"): _stack("1")}
            assert list(other.events()) == [
                _event()._replace(counter=1),
                _event("activate")._replace(counter=1),
            ]

    def test_content_and_names_come_back_as_they_went_in(self, catalog: Catalog) -> None:
        """To the letter."""
        for name in ("ads", "größe", "x" * 200):
            for number, content in enumerate(_CONTENTS, 1):
                revision = _revision(Key("view", name, "1"), number, content)
                catalog.commit(Change(expected=catalog.counter(), revisions=(revision,)))
                assert catalog.snapshot().latest[revision.key] == revision
                assert catalog.revisions("view", name)[-1] == revision

    def test_an_outdated_change_writes_nothing(self, catalog: Catalog) -> None:
        """Neither one that is behind nor one that is ahead."""
        catalog.commit(Change(expected=0, revisions=(_revision(),), events=(_event(),)))
        before = catalog.snapshot()
        for expected in (0, 2):
            change = Change(
                expected=expected,
                revisions=(_revision(number=2),),
                declared={_ADS: True},
                activations=(Activation("view", "ads", _stack("1")),),
                events=(_event("revise"),),
            )
            with pytest.raises(ConflictError):
                catalog.commit(change)
        assert catalog.snapshot() == before
        assert len(catalog.events()) == 1

    def test_a_change_that_fails_in_the_middle_writes_nothing(self, catalog: Catalog) -> None:
        """What it wrote before the failure is undone."""
        catalog.commit(Change(expected=0, revisions=(_revision(),), events=(_event(),)))
        before = catalog.snapshot()
        new = Key("view", "new", "1")
        change = Change(
            expected=1,
            revisions=(_revision(new), _revision()),  # the second is there already
            declared={new: True},
            events=(_event(key=new),),
        )
        with pytest.raises(StoreError):
            catalog.commit(change)
        assert catalog.snapshot() == before
        assert len(catalog.events()) == 1

    def test_the_latest_revision_has_the_greatest_number(self, catalog: Catalog) -> None:
        """By number, not by text; all of them stay."""
        for number in range(1, 13):
            change = Change(expected=number - 1, revisions=(_revision(number=number, at=number),))
            assert catalog.commit(change) == number
        found = catalog.snapshot()
        assert found.latest[_ADS].number == 12
        assert found.created == {_ADS: 1}
        assert [each.number for each in catalog.revisions("view", "ads")] == list(range(1, 13))

    def test_kinds_names_and_versions_do_not_mix(self, catalog: Catalog) -> None:
        """Even where they would run together."""
        keys = [
            Key(kind, name, version)
            for kind in ("a", "ab")
            for name in ("b", "bc")
            for version in ("1", "c1")
        ]
        catalog.commit(
            Change(expected=0, revisions=tuple(map(_revision, keys)), declared=dict.fromkeys(keys, True))
        )
        found = catalog.snapshot()
        assert set(found.latest) == found.declared == set(keys)
        assert {each.key for each in catalog.revisions("a", "bc")} == {
            Key("a", "bc", "1"),
            Key("a", "bc", "c1"),
        }
        catalog.commit(Change(expected=1, declared={keys[0]: False}))
        assert catalog.snapshot().declared == set(keys[1:])

    def test_what_is_declared_and_active_is_what_was_said_last(self, catalog: Catalog) -> None:
        """Or nothing, where that was said last."""

        def say(counter: int, stack: Stack | None, *, declared: bool) -> None:
            activations = (Activation("view", "ads", stack),)
            catalog.commit(Change(expected=counter, declared={_ADS: declared}, activations=activations))

        say(0, _stack("1", "2"), declared=True)
        say(1, _stack("2", "10", "1"), declared=True)
        assert catalog.snapshot().stacks == {("view", "ads"): _stack("2", "10", "1")}
        assert catalog.snapshot().declared == {_ADS}
        say(2, None, declared=False)
        assert catalog.snapshot().stacks == {}
        assert catalog.snapshot().declared == frozenset()

    def test_the_audit_log_is_in_order_and_can_be_narrowed(self, catalog: Catalog) -> None:
        """By kind, by name, by counter, to the newest lines."""
        other = Key("service", "ads", "1")
        catalog.commit(Change(expected=0, events=(_event("add"), _event("add", other))))
        catalog.commit(Change(expected=1, events=tuple(_event(f"step {n}") for n in range(12))))
        actions = ["add", "add", *(f"step {n}" for n in range(12))]
        assert [each.action for each in catalog.events()] == actions
        assert [each.counter for each in catalog.events()] == [1] * 2 + [2] * 12
        assert [each.action for each in catalog.events(since=1)] == actions[2:]
        assert [each.kind for each in catalog.events(kind="service")] == ["service"]
        assert list(catalog.events(kind="service", name="other")) == []
        assert [each.action for each in catalog.events(name="ads", limit=2)] == actions[-2:]

    def test_the_last_good_load_is_the_one_that_finished_last(self, catalog: Catalog) -> None:
        """Whatever the order in which loads are recorded; the counter stays."""
        two = _ADS._replace(version="2")
        for run in (
            Run(_ADS, 5, 10, {"rows": 1}),
            Run(_ADS, 9, 20, {"rows": 2}),
            Run(_ADS, 7, 15),
            Run(two, 1, 2),
        ):
            catalog.record(run)
        assert {run.key: run for run in catalog.runs()} == {
            _ADS: Run(_ADS, 9, 20, {"rows": 2}),
            two: Run(two, 1, 2),
        }
        assert catalog.counter() == 0

    def test_of_many_at_once_one_wins_each_round(
        self, catalog: Catalog, connect: Callable[[], Catalog]
    ) -> None:
        """Every other one gets a ConflictError, and only the winner is in the log."""
        start = threading.Barrier(_THREADS, timeout=60)
        won: list[tuple[int, int]] = []
        lost: list[tuple[int, int]] = []

        def take_part(number: int) -> None:
            with contextlib.closing(connect()) as mine:
                for round_ in range(_ROUNDS):
                    start.wait()
                    revision = _revision(Key("view", f"by_{number}", "1"), round_ + 1)
                    change = Change(
                        expected=round_, revisions=(revision,), events=(_event(key=revision.key),)
                    )
                    try:
                        won.append((mine.commit(change), number))
                    except ConflictError:
                        lost.append((round_ + 1, number))
                    start.wait()

        # Revision numbers have gaps here: a catalog does not count them.
        threads = [threading.Thread(target=take_part, args=(number,)) for number in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(counter for counter, _ in won) == list(range(1, _ROUNDS + 1))
        assert len(lost) == (_THREADS - 1) * _ROUNDS
        assert [(each.counter, each.name) for each in catalog.events()] == [
            (counter, f"by_{number}") for counter, number in sorted(won)
        ]

    def test_a_snapshot_is_never_between_two_commits(
        self, catalog: Catalog, connect: Callable[[], Catalog]
    ) -> None:
        """Each commit writes its number in three places; a reader finds the same number in all."""
        rounds = 100
        done = threading.Event()
        found: list[tuple[int, ...]] = []

        def read() -> None:
            with contextlib.closing(connect()) as mine:
                while True:
                    last = done.is_set()
                    seen = mine.snapshot()
                    latest, stack = seen.latest.get(_ADS), seen.stacks.get(("view", "ads"))
                    numbers = (latest.number if latest else 0, int(stack.versions[0]) if stack else 0)
                    found.append((seen.counter, *numbers))
                    if last:
                        return

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(1, rounds + 1):
            activation = Activation("view", "ads", _stack(str(number)))
            catalog.commit(Change(number - 1, (_revision(number=number),), activations=(activation,)))
        done.set()
        reader.join()
        assert all(len(set(numbers)) == 1 for numbers in found)
        assert found[-1][0] == rounds

    def test_a_reader_sees_what_was_committed_before_it_asks(
        self, catalog: Catalog, connect: Callable[[], Catalog]
    ) -> None:
        """Through a connection that was open all the time."""
        with contextlib.closing(connect()) as other:
            for counter in range(20):
                catalog.commit(Change(expected=counter))
                assert other.counter() == other.snapshot().counter == counter + 1

    def test_closing_twice_is_harmless(self, connect: Callable[[], Catalog]) -> None:
        """And what was committed stays."""
        catalog = connect()
        catalog.commit(Change(expected=0, revisions=(_revision(),)))
        catalog.close()
        catalog.close()
        with contextlib.closing(connect()) as other:
            assert other.counter() == 1
