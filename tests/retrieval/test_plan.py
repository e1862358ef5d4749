"""The retrieval plan gives each parameter of a function what its definition says."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import pytest

import headrace as hr
from headrace.definitions.references import Reference, parse_reference
from headrace.errors import DefinitionError
from headrace.retrieval.plan import Function, compile_retrieval
from headrace.schema import Schema
from tests.online.small import counting

if TYPE_CHECKING:
    from headrace.definitions.on_demand import OnDemandFeature


@hr.on_demand(request={"x": "int64"}, output="int64")
def first(x):
    return x


@hr.on_demand(request={"x": "int64"}, output="int64")
def second(x):
    return 2 * x


def known(*features: OnDemandFeature) -> dict[Reference, Function]:
    """The features by reference; an input without a version is the first."""
    found = {}
    for each in features:
        read = [parse_reference(text) for _, text in sorted(each.inputs.items())]
        inputs = [Reference(of.kind, of.name, of.version or "1", of.feature) for of in read]
        found[each.reference] = Function(each, dict(zip(sorted(each.inputs), inputs, strict=True)))
    return found


@pytest.mark.parametrize("names", list(itertools.permutations(["a", "b"])), ids="".join)
def test_parameters_keep_their_inputs_whatever_their_names_order(names: tuple[str, str]) -> None:
    one, other = names

    @hr.on_demand(inputs={one: "first", other: "second"}, output="int64")
    def both(a, b):
        return a - b

    plan = compile_retrieval([parse_reference("both@1")], {}, known(first, second, both))
    assert plan.inputs["both@1"] == {one: (-1, "first@1"), other: (-1, "second@1")}
    assert [each.name for each in plan.functions][-1] == "both"


def test_two_versions_of_a_function_are_two_functions() -> None:
    @hr.on_demand(inputs={"x": "first@1"}, output="int64", name="first", version="2")
    def more(x):
        return x + 1

    plan = compile_retrieval([parse_reference("first@2")], {}, known(first, more))
    assert [str(each.reference) for each in plan.functions] == ["first@1", "first@2"]
    assert plan.inputs == {"first@1": {}, "first@2": {"x": (-1, "first@1")}}


def test_functions_that_read_each_other_are_refused_however_they_came_about() -> None:
    @hr.on_demand(inputs={"x": "there@1"}, output="int64")
    def here(x):
        return x

    @hr.on_demand(inputs={"x": "here@1"}, output="int64")
    def there(x):
        return x

    with pytest.raises(DefinitionError, match=r"here@1 -> there@1 -> here@1"):
        compile_retrieval([parse_reference("here@1")], {}, known(here, there))


def test_what_a_request_gives_has_one_type_for_all_who_read_it() -> None:
    @hr.on_demand(request={"x": "string"}, output="int64")
    def other(x):
        return len(x)

    asked = [parse_reference("first@1"), parse_reference("other@1")]
    with pytest.raises(DefinitionError, match="request field 'x' is int64 to one feature and string"):
        compile_retrieval(asked, {}, known(first, other))


@pytest.mark.parametrize("of", ["int64", "binary"])
def test_a_join_key_has_one_type_in_all_views_and_functions(of: str) -> None:
    one, more = counting(), dataclasses.replace(counting(name="more"), keys=Schema({"user": of}))
    views = {Reference("view", each.name, "1"): each for each in (one, more)}
    asked = [parse_reference("counts@1:n_1h"), parse_reference("more@1:n_7d")]
    with pytest.raises(DefinitionError, match=f"join key 'user' is string to one feature and {of}"):
        compile_retrieval(asked, views, {})

    @hr.on_demand(request={"user": of}, output="int64")
    def reads_user(user):
        return len(user)

    with pytest.raises(DefinitionError, match=f"request field 'user' is string to one feature and {of}"):
        compile_retrieval([asked[0], parse_reference("reads_user@1")], views, known(reads_user))
