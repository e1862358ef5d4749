"""A function that fails, in whatever way, spoils its own value and those that read it: nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.definitions.on_demand import OnDemandFeature
from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, ArrowColumn, Column, reason_of
from headrace.retrieval.on_demand import run_functions
from headrace.retrieval.plan import Member, RetrievalPlan

if TYPE_CHECKING:
    from collections.abc import Callable


class WordlessError(Exception):
    """An error that cannot be told."""

    def __str__(self) -> str:
        raise ValueError("no text")


class OutsideError(BaseException):
    """An error that `except Exception` does not see."""


def plan_of(*functions: OnDemandFeature, reads: dict[str, dict[str, tuple[int, str]]]) -> RetrievalPlan:
    """A plan that asks for all of them."""
    members = tuple(Member(each.name, each.reference, -1, each.output) for each in functions)
    request = {name: of for each in functions for name, of in each.request.items()}
    inputs = {str(each.reference): reads.get(each.name, {}) for each in functions}
    return RetrievalPlan((), functions, members, inputs, {}, request)


def run_one(body: Callable[[], Any]) -> Column:
    """The column of a function that does this once, beside one that works."""

    @hr.on_demand(output="int64")
    def one():
        return body()

    @hr.on_demand(output="int64")
    def neighbour():
        return 7

    found = run_functions(plan_of(one, neighbour, reads={}), [], {}, np.zeros(1, dtype=np.int64))
    assert (found["neighbour"].to_list(), found["neighbour"].status.tolist()) == ([7], [PRESENT])
    assert (found["one"].to_list(), found["one"].status.tolist()) == ([None], [INVALID])
    return found["one"]


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def body() -> NoReturn:
        raise error

    return body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (raising(KeyError("x")), "one: KeyError: 'x'"),
        (raising(ValueError()), "one: ValueError: "),
        (lambda: sys.exit(3), "one: SystemExit: 3"),
        (raising(OutsideError("out")), "one: OutsideError: out"),
        (raising(GeneratorExit()), "one: GeneratorExit: "),
        (raising(WordlessError()), "one: WordlessError: it has no text"),
        (raising(ValueError("a\nTraceback (most recent call last):\n  b")), "one: ValueError: a"),
        (raising(ValueError("\ud800")), "one: ValueError: \\ud800"),
        (raising(ValueError("é" * 999)), "one: ValueError: " + "é" * 200),
    ],
    ids=["key", "empty", "exit", "outside", "generator", "wordless", "lines", "surrogate", "long"],
)
def test_the_reason_is_one_line_that_can_be_sent(body: Callable[[], Any], reason: str) -> None:
    column = run_one(body)
    assert column.reason == reason
    assert reason_of(column, 0) == reason
    column.reason.encode("utf-8")


def test_an_interrupt_is_not_a_failing_function() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_one(raising(KeyboardInterrupt()))


@pytest.mark.parametrize("of", ["list<int64>", "map<string,int64>"])
def test_what_one_function_does_to_its_input_no_other_sees(of: str) -> None:
    kind = "list<int64>" if of.startswith("list") else "map"
    given_values: Any = [[1, 2, 3]] if kind != "map" else [[("a", 1), ("b", 2), ("c", 3)]]
    arrow = pa.list_(pa.int64()) if kind != "map" else pa.map_(pa.string(), pa.int64())

    @hr.on_demand(inputs={"x": "views:ads", "same": "views:ads"}, output="int64")
    def eats(x, same):
        x.clear()
        return len(same)

    @hr.on_demand(inputs={"x": "views:ads"}, output="int64")
    def size(x):
        return len(x)

    status = np.array([PRESENT], dtype=np.uint8)
    column = ArrowColumn(pa.array(given_values, arrow), status, np.zeros(1, dtype=np.int64))
    place = (0, "ads")
    plan = plan_of(eats, size, reads={"eats": {"x": place, "same": place}, "size": {"x": place}})
    found = run_functions(plan, [{"ads": column}], {}, np.zeros(1, dtype=np.int64))
    assert (found["eats"].to_list(), found["size"].to_list()) == ([3], [3])
    assert len(column.to_list()[0]) == 3


def test_request_lists_are_each_functions_own() -> None:
    @hr.on_demand(request={"ads": "list<int64>"}, output="int64")
    def eats(ads):
        ads.clear()
        return 0

    @hr.on_demand(request={"ads": "list<int64>"}, output="int64")
    def size(ads):
        return len(ads)

    found = run_functions(plan_of(eats, size, reads={}), [], {"ads": [[1, 2]]}, np.zeros(1, dtype=np.int64))
    assert found["size"].to_list() == [2]


DOES = ["adds", "nothing", "raises", "exits", "misfits"]


def does(what: str, total: int) -> Any:
    """What a drawn function does on one row."""
    if what == "raises":
        raise ArithmeticError("drawn")
    if what == "exits":
        sys.exit("drawn")
    return {"adds": total + 1, "nothing": None, "misfits": "text"}[what]


def drawn_function(name: str, script: list[str], reads: list[int]) -> OnDemandFeature:
    """Reads some earlier functions, and does on row n what its script says."""

    def body(row: int, **given: int | None) -> Any:
        return does(script[row], sum(value or 0 for value in given.values()))

    inputs = {f"x{of}": f"f{of}" for of in reads}
    return OnDemandFeature(
        name, inputs=inputs, request={"row": "int64"}, output="int64", source_hash="", function=body
    )


def expected(
    scripts: list[list[str]], reads: list[list[int]], row: int
) -> list[tuple[int | None, int, str | None]]:
    """The oracle: value, status and who is to blame, for one row, function after function."""
    done: list[tuple[int | None, int, str | None]] = []
    for number, script in enumerate(scripts):
        blamed = next((done[of][2] for of in reads[number] if done[of][1] == INVALID), None)
        if blamed is not None:
            done.append((None, INVALID, blamed))
        elif script[row] == "adds":
            done.append((sum(done[of][0] or 0 for of in reads[number]) + 1, PRESENT, None))
        elif script[row] == "nothing":
            done.append((None, NULL_VALUE, None))
        else:
            done.append((None, INVALID, f"f{number}"))
    return done


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[str]], list[list[int]], list[int]]:
    """Functions' scripts, what each reads of those before it, and which are asked for."""
    many, rows = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    scripts = draw(
        st.lists(st.lists(st.sampled_from(DOES), min_size=rows, max_size=rows), min_size=many, max_size=many)
    )
    reads = [
        draw(st.lists(st.integers(0, number - 1), unique=True).map(sorted)) if number else []
        for number in range(many)
    ]
    asked = draw(st.lists(st.integers(0, many - 1), min_size=1, unique=True))
    return scripts, reads, asked


@given(graphs())
def test_failures_stay_where_they_are(case: tuple[list[list[str]], list[list[int]], list[int]]) -> None:
    scripts, reads, asked = case
    functions = tuple(
        drawn_function(f"f{number}", script, reads[number]) for number, script in enumerate(scripts)
    )
    inputs = {
        f"f{number}@1": {f"x{of}": (-1, f"f{of}@1") for of in reads[number]} for number in range(len(scripts))
    }
    members = tuple(Member(f"f{one}", functions[one].reference, -1, functions[one].output) for one in asked)
    plan = RetrievalPlan((), functions, members, inputs, {}, {})
    rows = len(scripts[0])
    found = run_functions(plan, [], {"row": list(range(rows))}, np.zeros(rows, dtype=np.int64))
    assert set(found) == {f"f{one}" for one in asked}  # the others were run, and are not returned
    for row in range(rows):
        oracle = expected(scripts, reads, row)
        for one in asked:
            column = found[f"f{one}"]
            value, status, blamed = oracle[one]
            assert (column.to_list()[row], int(column.status[row])) == (value, status)
            if blamed is not None:
                assert reason_of(column, row).partition(":")[0] == blamed
