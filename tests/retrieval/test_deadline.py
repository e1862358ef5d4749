"""What is not computed by the deadline is INVALID; what was computed before it stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.clock import FixedClock
from headrace.definitions.on_demand import OnDemandFeature
from headrace.kernel.columns import INVALID, PRESENT, reason_of
from headrace.retrieval.deadline import DEADLINE, Deadline, Overrun
from headrace.retrieval.on_demand import run_functions
from headrace.retrieval.plan import Member, RetrievalPlan


@given(
    costs=st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=2), min_size=1, max_size=4),
    at=st.integers(0, 20),
)
def test_calls_that_return_before_the_deadline_count(costs: list[list[int]], at: int) -> None:
    """Functions run one after the other, row by row; each call takes what is drawn."""
    clock = FixedClock(0)

    def function(number: int) -> OnDemandFeature:
        def body(row: int) -> int:
            clock.advance(costs[number][row])
            return row

        return OnDemandFeature(
            f"f{number}", inputs={}, request={"row": "int64"}, output="int64", source_hash="", function=body
        )

    functions = tuple(map(function, range(len(costs))))
    members = tuple(Member(each.name, each.reference, -1, each.output) for each in functions)
    plan = RetrievalPlan((), functions, members, {str(each.reference): {} for each in functions}, {}, {})
    deadline = Deadline(at, clock)
    found = run_functions(plan, [], {"row": [0, 1]}, np.zeros(2, dtype=np.int64), deadline=deadline)
    now, overran = 0, []
    for number, rows in enumerate(costs):
        column = found[f"f{number}"]
        for row, cost in enumerate(rows):
            begun = now < at
            now += cost if begun else 0
            if begun and now >= at:
                overran.append(Overrun(f"f{number}@1", cost))
            value, status = (row, PRESENT) if now < at else (None, INVALID)
            assert (column.to_list()[row], int(column.status[row])) == (value, status)
            if status == INVALID:
                assert reason_of(column, row) == DEADLINE
    assert deadline.overran == overran
    assert len(overran) <= 1  # nothing is begun after it


def test_a_function_that_fails_too_late_is_too_late() -> None:
    clock = FixedClock(0)

    @hr.on_demand(output="int64")
    def late():
        clock.advance(30)
        raise ValueError

    plan = RetrievalPlan(
        (), (late,), (Member("late", late.reference, -1, late.output),), {"late@1": {}}, {}, {}
    )
    deadline = Deadline(10, clock)
    found = run_functions(plan, [], {}, np.zeros(1, dtype=np.int64), deadline=deadline)
    assert found["late"].reason == DEADLINE
    assert deadline.overran == [Overrun("late@1", 30)]
