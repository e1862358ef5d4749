from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.clock import instant
from headrace.definitions.on_demand import OnDemandFeature
from headrace.errors import StoreError
from headrace.schema import DOUBLE, parse_type
from tests.definitions.refusals import refused


@hr.on_demand(
    inputs={"interests": "profile:interests"}, request={"keywords": "list<string>"}, owner="ads", tags=["x"]
)
def relevance(interests: list[str], keywords: list[str]) -> float:
    """How well the interests fit.

    More words.
    """
    return len({*interests} & {*keywords}) / len(keywords)


@hr.on_demand(
    request={"since": "timestamp"}, output="int64", name="age_in_hours", version="2", type="numerical"
)
def age(since: dt.datetime, request_time: dt.datetime) -> int:
    return (request_time - since) // dt.timedelta(hours=1)


def test_it_is_still_the_function() -> None:
    assert relevance(["a", "b"], keywords=["a"]) == 1.0


def test_it_says_what_it_reads() -> None:
    assert relevance.name == "relevance"
    assert dict(relevance.inputs) == {"interests": "profile:interests"}
    assert dict(relevance.request) == {"keywords": parse_type("list<string>")}
    assert relevance.output == DOUBLE
    assert relevance.description == "How well the interests fit."
    assert [str(each) for each in relevance.references] == ["profile:interests"]
    assert relevance.written == f"{__file__}:{relevance.function.__code__.co_firstlineno}"  # type: ignore[union-attr]


def test_request_time_is_an_aware_instant() -> None:
    at = instant("2026-01-02T00:00:00Z")
    assert age.takes_request_time
    assert not relevance.takes_request_time
    assert age.compute({"since": dt.datetime(2026, 1, 1, 21, tzinfo=dt.UTC)}, at) == 3
    assert relevance.compute({"interests": ["a"], "keywords": ["a", "b"]}, at) == 0.5


def test_it_tells_everything_about_itself() -> None:
    told = relevance.definition
    assert told.reference == "relevance@1"
    assert (told.view, told.stem, told.window, told.type, told.feature_type) == (
        "",
        "relevance",
        None,
        DOUBLE,
        "numerical",
    )
    assert told.logic == "Python function relevance of profile:interests, request keywords"
    assert told.dependencies == ("profile:interests",)
    assert (told.update_frequency, told.owner, told.tags) == ("real_time", "ads", ("x",))
    assert age.definition.reference == "age_in_hours@2"


def test_the_source_hash_is_of_the_function_alone_and_the_module_hash_of_the_file() -> None:
    text = Path(__file__).read_text()
    own = text[text.index("def relevance") : text.index("\n\n\n@", text.index("def relevance"))]
    assert relevance.source_hash == hashlib.sha256(own.encode()).hexdigest()
    assert relevance.module_hash == age.module_hash == hashlib.sha256(text.encode()).hexdigest()
    assert relevance.source_hash != age.source_hash


def test_decorators_and_indentation_are_no_part_of_the_source() -> None:
    def made(**options: Any) -> OnDemandFeature:
        @hr.on_demand(request={"a": "double"}, **options)
        def double(a: float) -> float:
            return 2 * a

        return double

    source = "def double(a: float) -> float:\n    return 2 * a"
    assert made(tags=["x"]).source_hash == made().source_hash == hashlib.sha256(source.encode()).hexdigest()


def test_without_its_code_it_is_a_record() -> None:
    record = OnDemandFeature(
        "relevance", inputs={}, request={"a": "double"}, output="double", source_hash="c0ffee"
    )
    for call in (lambda: record(1.0), lambda: record.compute({"a": 1.0}, 0)):
        with pytest.raises(StoreError, match="code of on-demand feature 'relevance'") as caught:
            call()
        assert "c0ffee" in caught.value.remedy


def test_it_may_read_other_on_demand_features() -> None:
    @hr.on_demand(inputs={"score": "relevance@1"})
    def doubled(score: float) -> float:
        return 2 * score

    (reference,) = doubled.references
    assert (reference.kind, reference.name, reference.version) == ("on_demand", "relevance", "1")


def plain(a: float) -> float:
    return a


def anything(*a: float) -> float:
    return sum(a)


def by_place(a: float, /) -> float:
    return a


def clocked(a: float, request_time: object) -> float:
    return a if request_time else -a


async def later(a: float) -> float:
    return a


def many(a: float) -> Any:
    yield a


def optional(a: float, b: float = 1.0) -> float:
    return a + b


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.on_demand()(plain), "its parameter 'a' is neither an input nor a request field"),
        (lambda: hr.on_demand(request={"a": "double"})(optional), "its parameter 'b' is neither"),
        (lambda: hr.on_demand(request={"a": "int", "b": "int"})(plain), "the function has no parameter 'b'"),
        (
            lambda: hr.on_demand(inputs={"a": "x:y"}, request={"a": "int"})(plain),
            "'a' is an input and a request field",
        ),
        (
            lambda: hr.on_demand(request={"a": "int", "request_time": "int"})(clocked),
            "request_time is given by Headrace",
        ),
        (lambda: hr.on_demand(request={"a": "int"})(anything), "its parameter 'a' cannot be given by name"),
        (lambda: hr.on_demand(request={"a": "int"})(by_place), "its parameter 'a' cannot be given by name"),
        (lambda: hr.on_demand(request={"a": "int"})(later), "must return its value"),
        (lambda: hr.on_demand(request={"a": "int"})(many), "must return its value"),
        (lambda: hr.on_demand(request={"a": "int"}, name="x")(lambda a: a), "is not a plain function"),
        (lambda: hr.on_demand(request={"a": "int"}, name="x")(abs), "is not a plain function"),
        (lambda: hr.on_demand(inputs={"a": "x y"})(plain), "input 'a': 'x y' is not a reference"),
        (lambda: hr.on_demand(inputs=["a"])(plain), "inputs maps parameters"),  # type: ignore[arg-type]
        (lambda: hr.on_demand(request={"a": "strin"})(plain), "request: 'strin' is not a column type"),
        (lambda: hr.on_demand(request={"a b": "int"})(plain), "'a b' cannot be a request field"),
        (
            lambda: hr.on_demand(request={"a": "int"}, output="number")(plain),
            "output: 'number' is not a column type",
        ),
        (lambda: hr.on_demand(request={"a": "int"}, type="number")(plain), "is not a feature type"),
        (
            lambda: hr.on_demand(request={"a": "int"}, rules=[hr.rules.not_null("a")])(plain),
            "without a column",
        ),
        (lambda: hr.on_demand(request={"a": "int"}, version="v1")(plain), 'Write version="1"'),
    ],
)
def test_a_wrong_feature_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused(make, says)  # type: ignore[arg-type]


def test_a_function_without_a_source_is_refused() -> None:
    space: dict[str, Any] = {}
    exec("def made(a):\n    return a", space)  # noqa: S102 - what nobody should do
    with pytest.raises(hr.errors.DefinitionError, match="its source cannot be read"):
        hr.on_demand(request={"a": "int"})(space["made"])
