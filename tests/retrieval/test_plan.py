"""The retrieval plan gives each parameter of a function what its definition says."""

from __future__ import annotations

import itertools

import pytest

import headrace as hr
from headrace.definitions.references import parse_reference
from headrace.retrieval.plan import compile_retrieval


@hr.on_demand(request={"x": "int64"}, output="int64")
def first(x):
    return x


@hr.on_demand(request={"x": "int64"}, output="int64")
def second(x):
    return 2 * x


@pytest.mark.parametrize("names", list(itertools.permutations(["a", "b"])), ids="".join)
def test_parameters_keep_their_inputs_whatever_their_names_order(names: tuple[str, str]) -> None:
    one, other = names

    @hr.on_demand(inputs={one: "first", other: "second"}, output="int64")
    def both(a, b):
        return a - b

    functions = {each.name: each for each in (first, second, both)}
    plan = compile_retrieval([parse_reference("both")], {}, functions)
    assert plan.inputs["both"] == {one: (-1, "first"), other: (-1, "second")}
    assert [each.name for each in plan.functions][-1] == "both"
