"""Twenty writers and readers on one registry: what they did and saw is one sequence of whole changes."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from headrace.catalogs import tables
from headrace.catalogs.sql import SqlCatalog
from headrace.errors import ConflictError, DestructiveChangeError
from headrace.ports.catalog import Change, Event, Key
from tests.registry.plain import view
from tests.registry.test_migrations import connected
from tests.registry.test_processes import child, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.registry.registry import Registry

PROCESSES = 4
WRITES = 6  # of each writer, two of them to what all write


def told_by_a_crowd(url: str) -> list[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(child("crowd", url, number)) for number in range(PROCESSES)]
        for each in crowd:
            assert each.hear() == "ready"
        for each in crowd:
            each.go_on()
        return [told for each in crowd for told in json.loads(each.hear())]


def replayed(url: str) -> list[list[list[Any]]]:
    """The latest revision of every version after each commit, by the revisions alone."""
    every = tables.revisions
    with connected(url) as connection:
        rows = connection.execute(sqlalchemy.select(every)).all()
    states = []
    for counter in range(max(row.counter for row in rows) + 1):
        latest: dict[tuple[str, str, str], int] = {}
        for row in sorted(rows, key=lambda row: row.number):
            if row.counter <= counter:
                latest[row.kind, row.name, row.version] = row.number
        states.append(sorted([*key, number] for key, number in latest.items()))
    return states


def test_twenty_writers_and_readers_see_one_sequence_of_whole_changes(url: str) -> None:
    told = told_by_a_crowd(url)
    assert len(told) == 5 * PROCESSES
    writers = [each for each in told if each["written"]]
    written = {counter: each["who"] for each in writers for counter in each["written"]}
    assert sorted(written) == list(
        range(1, WRITES * len(writers) + 1)
    )  # no two made the same change, none is lost
    states = replayed(url)
    for each in told:
        counters = [counter for counter, _ in each["seen"]]
        assert counters == sorted(counters)  # time never runs back
        assert all(seen == states[counter] for counter, seen in each["seen"])
    for each in writers:  # what was acknowledged is seen from then on
        assert all(seen >= counter for counter, (seen, _) in zip(each["written"], each["seen"], strict=True))
    with opened(url) as registry:
        assert {each.counter: each.who for each in registry.audit()} == written
        shared = registry.state().versions("view", "shared")
        assert sorted(map(int, shared)) == list(range(1, 2 * len(writers) + 1))


def test_definitions_that_others_changes_do_not_touch_are_applied_beside_them(url: str) -> None:
    with opened(url, "ana") as ana, opened(url, "bob") as bob:
        plan_at_once(ana, bob, [view("b", "1", {"x": ""})])
        assert ana.apply([view("a", "1", {"x": ""})], partial=True).counter == 2
        assert [each.name for each in bob.list()] == ["a", "b"]


def test_what_both_define_alike_is_written_once(url: str) -> None:
    with opened(url, "ana") as ana, opened(url, "bob") as bob:
        plan_at_once(ana, bob, [view("a", "1", {"x": ""})])
        applied = ana.apply([view("a", "1", {"x": ""})], partial=True)
        assert applied.plan.is_empty
        assert applied.counter == 1
        assert {each.who for each in ana.audit()} == {"bob"}


@pytest.mark.parametrize("partial", [True, False])
def test_what_comes_to_something_else_by_anothers_change_is_a_conflict(url: str, *, partial: bool) -> None:
    """By another meaning of the same version; or since applying all would remove what the other added."""
    with opened(url, "ana") as ana, opened(url, "bob") as bob:
        others = view("a", "1", {"x": "another"}) if partial else view("b", "1", {"x": ""})
        plan_at_once(ana, bob, [others])
        with pytest.raises(ConflictError, match="bob: add view") as caught:
            ana.apply([view("a", "1", {"x": ""})], partial=partial)
        assert caught.value.remedy == "Plan again, look at it, and apply that."
        if not partial:
            with pytest.raises(DestructiveChangeError):
                ana.apply([view("a", "1", {"x": ""})])


def plan_at_once(ana: Any, bob: Any, others: list[Any]) -> None:
    """Let bob apply between ana's plan and what she writes."""
    plan, turns = ana.plan, iter([True])

    def planned(*args: Any, **kwargs: Any) -> Any:
        made = plan(*args, **kwargs)
        if next(turns, False):
            bob.apply(others, partial=True)
        return made

    ana.plan = planned


def at_the_second_look(registry: Registry, others: Callable[[], object]) -> None:
    """Let others be faster: their change lands after the registry's first look, or just before it writes."""
    state, turns = registry.state, iter([False, True])

    def looked() -> Any:
        found = state()
        if next(turns, False):
            others()
        return found

    registry.state = looked  # type: ignore[method-assign]


def three_versions(registry: Registry, name: str) -> None:
    for version in ("1", "2", "3"):
        registry.apply([view(name, version, {"x": version})], partial=True)


def test_a_rollback_goes_on_beside_what_others_change(url: str) -> None:
    with opened(url, "ana") as ana, opened(url, "bob") as bob:
        three_versions(ana, "a")
        at_the_second_look(ana, lambda: bob.apply([view("b", "1", {"x": ""})], partial=True))
        assert ana.rollback("view", "a").version == "2"
        assert [(each.who, each.action) for each in bob.audit()][-2:] == [
            ("ana", "rollback"),
            ("bob", "activate"),
        ][::-1]
        assert bob.state().stack("view", "a") == ("1", "2")


def test_two_who_roll_back_at_once_go_one_step_back(url: str) -> None:
    with opened(url, "ana") as ana, opened(url, "bob") as bob:
        three_versions(ana, "a")
        at_the_second_look(ana, lambda: bob.rollback("view", "a"))
        with pytest.raises(ConflictError, match="bob: rollback view a@2"):
            ana.rollback("view", "a")
        assert bob.state().stack("view", "a") == ("1", "2")


def test_of_two_who_activate_the_later_wins(url: str) -> None:
    with opened(url, "ana") as ana, opened(url, "bob") as bob:
        three_versions(ana, "a")
        ana.state()
        at_the_second_look(ana, lambda: bob.activate("view", "a", "2"))
        ana.state()
        assert ana.activate("view", "a", "1").active
        assert bob.state().stack("view", "a") == ("1", "2", "3", "2", "1")


def test_what_many_activate_and_roll_back_at_once_is_all_done(url: str) -> None:
    crowd = [f"p{number}" for number in range(8)]
    with opened(url) as registry:
        for who in crowd:
            three_versions(registry, who)
        before = registry.counter()
    start = threading.Barrier(len(crowd), timeout=60)
    undone: list[BaseException] = []

    def take_part(who: str) -> None:
        try:
            with opened(url, who) as registry:
                start.wait()
                for version in ("1", "2", "1"):
                    assert registry.activate("view", who, version).version == version
                assert registry.rollback("view", who).version == "2"
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            undone.append(error)

    threads = [threading.Thread(target=take_part, args=(who,)) for who in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert undone == []
    with opened(url) as registry:
        assert registry.counter() == before + 4 * len(crowd)  # no two made one change
        for who in crowd:
            assert registry.state().stack("view", who) == ("1", "2", "3", "1", "2")
            assert [each.action for each in registry.audit("view", who) if each.who == who] == [
                *("activate", "activate", "activate", "rollback")
            ]


@pytest.fixture
def locked_the_other_way(postgres_url: str) -> Iterator[tuple[SqlCatalog, sqlalchemy.Connection]]:
    """A catalog, and a connection that holds what the catalog takes last."""
    with contextlib.closing(SqlCatalog(postgres_url)) as catalog, connected(postgres_url) as other:
        other.exec_driver_sql("SET deadlock_timeout = '60s'")  # the catalog finds it, and is undone
        other.exec_driver_sql("LOCK TABLE headrace_audit IN ACCESS EXCLUSIVE MODE")
        yield catalog, other


def test_a_commit_that_a_deadlock_undid_is_made_again(
    postgres_url: str, locked_the_other_way: tuple[SqlCatalog, sqlalchemy.Connection]
) -> None:
    catalog, other = locked_the_other_way
    made: list[int] = []
    change = Change(0, events=(Event(0, "add", *Key("view", "ads", "1"), "", "ana", 0),))
    writer = threading.Thread(target=lambda: made.append(catalog.commit(change)))
    writer.start()
    with connected(postgres_url) as watching:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'headrace_audit'::regclass"
        while not watching.exec_driver_sql(waiting).scalar_one():
            watching.exec_driver_sql("SELECT pg_sleep(0.01)")
    other.exec_driver_sql("UPDATE headrace_state SET counter = counter")
    other.commit()
    writer.join()
    assert made == [1]
    assert catalog.counter() == len(catalog.events()) == 1
