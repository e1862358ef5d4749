"""Casts: every pair of types equals the plain ones, value by value, whatever stands beside it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.intake.casts import cast_all, castable, certain, type_of
from headrace.intake.doubles import settle_array
from headrace.schema import Type, parse_type
from tests.effort import cases
from tests.intake.plain import UTC, Uncastable, plain_cast, same

INT64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2)
FLOATS = (
    st.floats(width=64)
    | st.integers(-100, 100).map(float)
    | st.sampled_from([-0.0, 2.5, -(2.0**63), 2.0**63])
)
EDGES = [
    Decimal(edge)
    for edge in ("9999999999.99", "10000000000", "-10000000000", "99999", "100000", "-99999", "0.5")
]
DECIMALS = st.integers(-(10**12), 10**12).map(lambda whole: Decimal(whole).scaleb(-4)) | st.sampled_from(
    EDGES
)
DATES = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
INSTANTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - both kinds are drawn
ISO = st.builds(
    "{}{}{}".format,
    st.builds(
        lambda at, between, digits: at.isoformat(between, "seconds") + ("." + digits if digits else ""),
        INSTANTS,
        st.sampled_from("T "),
        st.text("0123456789", max_size=9),
    ),
    st.just(""),
    st.sampled_from(["", "Z", "+00:00", "-05:30", "+02", "+0530", "+13:45"]),
)
ODD = [
    "", " ", "x", "-", ".", "1", " 7 ", "+5", "-0", "1.0", "1.5", ".5", "5.", "1e3", "1E3", "007", "true",
    "F", "Yes", "2", "9223372036854775807", "9223372036854775808", "99999999.9999", "nan", "inf", "-Infinity",
    "epoch", "infinity", "2020-02-30", "2020-01-01", "1969-12-31", "2020-13-01", "12:00", "2020-01-01T10:00",
    "1970-01-01T00:00:00.0000019+00:00", "1969-12-31T23:59:59.9999999Z", "+-5", None,
]  # fmt: skip
WORDS = st.sampled_from(ODD[:-1])
TEXTS = (
    WORDS
    | ISO
    | st.text("0123456789.+-", max_size=8)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)

ARROW: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), TEXTS),
    "large_string": (pa.large_string(), TEXTS),
    "string_view": (pa.string_view(), TEXTS),
    "binary": (pa.binary(), st.binary(max_size=4) | st.sampled_from([b"\xff", "é".encode()])),
    "large_binary": (pa.large_binary(), st.binary(max_size=4)),
    "fixed_binary": (pa.binary(2), st.binary(min_size=2, max_size=2)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "int32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "int64": (pa.int64(), INT64),
    "uint32": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1])),
    "float": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), FLOATS),
    "bool": (pa.bool_(), st.booleans()),
    "date32": (pa.date32(), DATES),
    "date64": (pa.date64(), DATES),
    "timestamp[s]": (pa.timestamp("s"), INSTANTS.map(lambda at: at.replace(microsecond=0))),
    "timestamp[ms]": (
        pa.timestamp("ms", "Asia/Kolkata"), INSTANTS.map(lambda at: at.replace(microsecond=0, tzinfo=UTC))
    ),
    "timestamp[us]": (pa.timestamp("us"), INSTANTS),
    "timestamp[us, Paris]": (
        pa.timestamp("us", "Europe/Paris"), INSTANTS.map(lambda at: at.replace(tzinfo=UTC))
    ),
    "decimal128": (pa.decimal128(16, 4), DECIMALS),
    "decimal64": (pa.decimal64(16, 4), DECIMALS),
    "wide decimal": (
        pa.decimal128(38, 4), st.integers(-(10**37), 10**37).map(lambda n: Decimal(n).scaleb(-4)) | DECIMALS
    ),
    "null": (pa.null(), st.none()),
}  # fmt: skip
ARROW["categories"] = (pa.dictionary(pa.int8(), pa.string()), TEXTS)
ARROW["list<double>"] = (pa.list_(pa.float64()), st.lists(st.none() | FLOATS, max_size=3))
ARROW["large_list<string>"] = (pa.large_list(pa.string()), st.lists(st.none() | WORDS, max_size=3))
ARROW["list_view<int64>"] = (pa.list_view(pa.int64()), st.lists(st.none() | INT64, max_size=3))
TYPES = [
    "string", "binary", "int64", "double", "bool", "timestamp", "date", "decimal(12,2)", "decimal(18,4)",
    "decimal(5,0)", "list<int64>", "list<string>", "list<decimal(6,1)>",
]  # fmt: skip
PAIRS = [(name, to) for name in ARROW for to in TYPES if castable(ARROW[name][0], parse_type(to))]
PAIRS = [(name, to) for name, to in PAIRS if not to.startswith("list") or "list" in name or name == "null"]


def python(array: pa.Array, of: Type) -> list[Any]:
    """Values as the plain casts give them."""
    if of.name == "list":
        return [python(value.values, of.items[0]) if value.is_valid else None for value in array]
    if of.name == "timestamp":
        return array.cast(pa.int64()).to_pylist()
    return array.view(pa.int32()).to_pylist() if of.name == "date" else array.to_pylist()


def settled(value: Any, of: Type) -> Any:
    """A value after NaN and -0.0."""
    if isinstance(value, list):
        return [settled(item, of.items[0]) for item in value]
    return None if value != value else value + 0.0 if isinstance(value, float) else value  # noqa: PLR0124 - NaN


def cast_one(array: pa.Array, of: Type) -> tuple[list[Any], list[bool]]:
    cast = cast_all({"x": (array, of)})["x"]
    assert cast.values.type == of.arrow()
    cast.values.validate(full=True)
    values = settle_array(cast.values, of, allow_infinite=True).values
    return python(values, of), [False] * len(array) if cast.bad is None else cast.bad.tolist()


def expected(values: list[Any], of: Type) -> tuple[list[Any], list[bool]]:
    wanted, bad = [], []
    for value in values:
        try:
            wanted.append(settled(plain_cast(value, of), of))
            bad.append(False)
        except Uncastable:
            wanted.append(None)
            bad.append(True)
    return wanted, bad


@pytest.mark.parametrize("to", [f"decimal(18,{scale})" for scale in range(19)] + ["decimal(10,9)"])
def test_a_text_is_a_decimal_of_as_many_digits_as_it_may_have(to: str) -> None:
    of = parse_type(to)
    most = Decimal(10**of.precision - 1).scaleb(-of.scale)
    texts = pa.array([f"{most:f}", f"{-most:f}", "0", None])
    assert cast_one(texts, of) == ([most, -most, Decimal(0), None], [False] * 4)


@pytest.mark.parametrize(("name", "to"), PAIRS, ids=lambda part: part)
@settings(max_examples=cases(12))
@given(data=st.data())
def test_equals_the_plain_cast(name: str, to: str, data: st.DataObject) -> None:
    kind, values = ARROW[name]
    drawn = data.draw(st.lists(st.none() | values, max_size=8))
    of = parse_type(to)
    array = pa.array(drawn, type=kind)
    if pa.types.is_floating(kind) or pa.types.is_list(kind):
        drawn = array.to_pylist()  # float32 has rounded them
    got, bad = cast_one(array, of)
    want, refused = expected(drawn, of)
    assert bad == refused
    assert all(map(same, got, want)), (got, want)
    if certain(kind, of):
        assert not any(bad)
    start = data.draw(st.integers(0, len(drawn)))
    assert all(map(same, cast_one(array.slice(start), of)[0], want[start:])), "a slice differs"


@pytest.mark.parametrize("to", [to for to in TYPES if not to.startswith("list")])
def test_odd_texts_are_read_plainly(to: str) -> None:
    of = parse_type(to)
    got, bad = cast_one(pa.array(ODD), of)
    want, refused = expected(ODD, of)
    assert dict(zip(ODD, bad, strict=True)) == dict(zip(ODD, refused, strict=True))
    assert all(map(same, got, want)), (got, want)


@settings(max_examples=cases(100))
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8))
def test_nanoseconds_are_floored_before_1970_too(drawn: list[int | None]) -> None:
    got, bad = cast_one(pa.array(drawn, pa.timestamp("ns", "UTC")), parse_type("timestamp"))
    assert got == [None if value is None else value // 1_000 for value in drawn]
    assert not any(bad)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1_000_000), ("ms", 1_000)])
def test_instants_beyond_64_bits_are_refused(unit: str, factor: int) -> None:
    largest = (2**63 - 1) // factor
    array = pa.array([largest, -largest, largest + 1, -largest - 1, None], pa.timestamp(unit))
    got, bad = cast_one(array, parse_type("timestamp"))
    assert got == [largest * factor, -largest * factor, None, None, None]
    assert bad == [False, False, True, True, False]


@settings(max_examples=cases(150))
@given(
    st.lists(
        st.none()
        | st.lists(st.none() | st.sampled_from(["a", "b,c", "é", "1", "", '"', "\\", "null"]), max_size=3),
        max_size=5,
    )
)
def test_lists_are_read_from_json_texts(drawn: list[list[str | None] | None]) -> None:
    import json

    texts = [None if value is None else json.dumps(value) for value in drawn]
    got, bad = cast_one(pa.array(texts, pa.string()), parse_type("list<string>"))
    assert got == drawn
    assert not any(bad)


def test_lists_in_texts_may_be_refused_or_loose() -> None:
    texts = ["[1, 2]", "[1, x]", "[]", "nope", "5", '{"a": 1}', "[[1]]", None, "[null]"]
    got, bad = cast_one(pa.array(texts), parse_type("list<int64>"))
    assert got == [[1, 2], None, [], None, None, None, None, None, [None]]
    assert bad == [False, True, False, True, True, True, True, False, False]
    assert cast_one(pa.array(["[a, b c]", "[[1], [2]]"]), parse_type("list<string>"))[0] == [
        ["a", "b c"],
        ["[1]", "[2]"],
    ]
    assert cast_one(pa.array(["[[1], [2, null]]"]), parse_type("list<list<int64>>"))[0] == [[[1], [2, None]]]


@pytest.mark.parametrize("to", ["int64", "double", "string", "timestamp", "list<int64>"])
def test_what_no_column_holds_is_not_castable(to: str) -> None:
    for kind in (pa.struct([("a", pa.int64())]), pa.time64("us"), pa.duration("s"), pa.decimal256(40, 2)):
        assert not castable(kind, parse_type(to))
        assert type_of(kind) is None


def test_a_float_is_no_text_and_a_time_no_number() -> None:
    assert not castable(pa.float64(), parse_type("string"))
    assert not castable(pa.timestamp("us"), parse_type("int64"))
    assert not castable(pa.bool_(), parse_type("timestamp"))
    assert not castable(pa.list_(pa.float64()), parse_type("list<string>"))


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, (kind, _) in ARROW.items()])
def test_the_type_of_an_arrow_type_holds_its_values(name: str, kind: pa.DataType) -> None:
    of = type_of(kind)
    if name in {"null", "wide decimal"}:
        assert of is None
    else:
        assert of is not None
        assert castable(kind, of)
