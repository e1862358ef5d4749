"""What a request gives, in whatever box, reaches functions and answers as plain values, as in history."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.definitions.loading import load_definitions
from headrace.errors import DataError, DefinitionError
from tests.project.market import KEYS, NOW, K, activity, again, events, newest, project, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import headrace as hr
    from headrace.errors import HeadraceError

CODE = """\
import headrace as hr


@hr.on_demand(request={"echo_text": "string"}, output="string")
def reads_echo(echo_text):
    return echo_text
"""
ECHO = """

@hr.on_demand(request={{"{name}": "{of}"}}, output="string")
def echo_{name}({name}):
    return repr({name})
"""
TYPES = {
    "text": "string",
    "whole": "int64",
    "fee": "decimal(12,4)",
    "numbers": "list<int64>",
    "words": "list<string>",
    "fees": "list<decimal(9,2)>",
    "nested": "list<list<int64>>",
}
FEATURES = ["activity:events_7d", "newest:price"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hr.FeatureStore]:
    directory = tmp_path_factory.mktemp("echo")
    project(directory, events(0, 10)).close()
    code = CODE + "".join(ECHO.format(name=name, of=of) for name, of in TYPES.items())
    (directory / "features.py").write_text(code)
    with again(directory) as made:
        made.apply([activity(), newest(), *load_definitions(directory, ("features.py",))])
        made.materialize(end=K)
        yield made


REACHED: list[tuple[str, Any, Any]] = [
    ("text", 5, "5"),
    ("whole", 2**62 + 1, 2**62 + 1),
    ("whole", "9007199254740993", 9007199254740993),
    ("whole", np.int8(3), 3),
    ("fee", "1.5", Decimal("1.5000")),
    ("numbers", [1, None], [1, None]),
    ("numbers", ["1"], [1]),
    ("numbers", [2.0], [2]),
    ("numbers", [], []),
    ("numbers", None, None),
    ("numbers", np.array([1, 2]), [1, 2]),
    ("numbers", (1, 2), [1, 2]),
    ("words", ["a", None], ["a", None]),
    ("words", [7], ["7"]),
    ("fees", ["1.5", "2"], [Decimal("1.50"), Decimal("2.00")]),
    ("nested", [[1], [2, 3], None], [[1], [2, 3], None]),
]


@pytest.mark.parametrize(("name", "given", "reached"), REACHED)
def test_a_field_of_the_request_reaches_a_function_by_its_type(
    store: hr.FeatureStore, name: str, given: Any, reached: Any
) -> None:
    assert answers(store, name, given) == {repr(reached)}


REFUSED: list[tuple[str, Any]] = [
    ("text", 5.0),
    ("whole", 1.5),
    ("whole", True),
    ("whole", 2**63),
    ("numbers", ["a"]),
    ("numbers", [1.5]),
    ("numbers", [True]),
    ("numbers", [[1]]),
    ("numbers", [2**63]),
    ("numbers", 5),
    ("numbers", "ab"),
    ("numbers", {"a": 1}),
    ("words", [b"\xff"]),
    ("words", ["\ud800"]),
    ("fees", [1.5]),
    ("fees", ["1.255"]),
    ("nested", [["a"]]),
]


@pytest.mark.parametrize(("name", "given"), REFUSED)
def test_a_field_that_cannot_be_of_its_type_is_refused(store: hr.FeatureStore, name: str, given: Any) -> None:
    for ask in ways(store, name, given):
        refused(DataError, ask)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"entities": {"text": ["a"]}, "context": {"text": "b"}}, DataError, "'text' is given in"),
        ({"entities": {"text": ["a"], "echo_text": ["b"]}}, DefinitionError, "name of a feature"),
        ({"entities": {1: ["a"]}}, DataError, "1 is no name"),
        ({"entities": {"text": ["a"]}, "context": ["a"]}, DataError, "The context is a list"),
        ({"features": 5}, DefinitionError, "5 is not a reference"),
        ({"features": [["echo_text"]]}, DefinitionError, "is not a reference"),
        ({"features": None, "service": ["s"]}, DefinitionError, "is not a reference"),
    ],
    ids=["given twice", "a feature's name", "no name", "no context", "no features", "a list", "no service"],
)
def test_what_is_no_request_is_refused(
    store: hr.FeatureStore, asked: dict[str, Any], error: type[HeadraceError], words: str
) -> None:
    whole: dict[str, Any] = {"features": ["echo_text", "reads_echo"], "entities": {"text": ["a"]}, **asked}
    refused(error, lambda: store.get_online_features(**whole), words)


def answers(store: hr.FeatureStore, name: str, given: Any) -> set[str]:
    return {ask() for ask in ways(store, name, given)}


def ways(store: hr.FeatureStore, name: str, given: Any) -> list[Any]:
    """What a function was given: of a context, of a column, and in history."""
    feature = f"echo_{name}"
    moment = dt.datetime.fromtimestamp(NOW / 1e6, tz=dt.UTC)
    return [
        lambda: store.get_online_features([feature], {}, context={name: given}).to_dict()[feature][0],
        lambda: store.get_online_features([feature], {name: [given]}).to_dict()[feature][0],
        lambda: (
            store.get_historical_features([{"ts": moment, name: given}], features=[feature])
            .to_arrow()[feature]
            .to_pylist()[0]
        ),
    ]


BOXES: dict[str, Any] = {
    "a tuple": {"user_id": tuple(KEYS)},
    "rows": [{"user_id": key} for key in KEYS],
    "NumPy": {"user_id": np.array(KEYS)},
    "NumPy's values": [{"user_id": np.str_(key)} for key in KEYS],
    "Arrow": {"user_id": pa.array(KEYS)},
    "Arrow's values": {"user_id": [pa.scalar(key) for key in KEYS]},
    "Arrow's dictionaries": {"user_id": pa.chunked_array([pa.array(KEYS).dictionary_encode()])},
    "pandas": {"user_id": pd.Series(KEYS, index=range(5, 5 + len(KEYS)))},
    "pandas by category": {"user_id": pd.Series(KEYS).astype("category")},
    "polars": {"user_id": pl.Series(KEYS)},
    "an Arrow table": pa.table({"user_id": KEYS}),
    "a pandas frame": pd.DataFrame({"user_id": KEYS}, index=range(5, 5 + len(KEYS))),
    "a polars frame": pl.DataFrame({"user_id": KEYS}),
}


@pytest.mark.parametrize("box", BOXES)
def test_entities_in_any_box_are_answered_alike(store: hr.FeatureStore, box: str) -> None:
    plain = store.get_online_features(FEATURES, {"user_id": list(KEYS)}, as_of=NOW)
    boxed = store.get_online_features(FEATURES, BOXES[box], as_of=NOW)
    assert repr(boxed.to_dict()) == repr(plain.to_dict())
    assert repr(list(boxed.values())) == repr(list(plain.values()))
    assert boxed.to_json() == plain.to_json()
    assert boxed.to_stream() == plain.to_stream()
    assert boxed.to_pandas().equals(plain.to_pandas())
