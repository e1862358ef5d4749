"""Decimals: what is exact stays exact, and has the type that is said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from headrace import agg
from headrace.errors import DefinitionError
from headrace.schema import Schema, parse_type
from tests.aggregations.values import SCHEMA, finished

CENT = Decimal("0.0001")
SMALLEST = Decimal("1e-18")
WIDEST = Decimal(10**18 - 1)


@pytest.mark.parametrize("column", ["d", "p", "w"])
def test_what_is_one_of_the_values_has_their_type_and_what_is_added_up_has_38_digits(column):
    of = SCHEMA[column]
    for made in (agg.min, agg.max, agg.first, agg.last):
        assert made("f", column, windows="all").outputs(SCHEMA)[0].type == of
    assert str(agg.sum("f", column, windows="all").outputs(SCHEMA)[0].type) == f"decimal(38,{of.scale})"


@pytest.mark.parametrize(
    ("column", "values", "total"),
    [
        ("p", [CENT] * 10_001, Decimal("1.0001")),
        ("p", [Decimal("99999999.9999"), CENT, -CENT, Decimal("-99999999.9999")], Decimal("0.0000")),
        ("d", [SMALLEST, 1 - SMALLEST, -SMALLEST], 1 - SMALLEST),
        ("w", [WIDEST] * 12, WIDEST * 12),
        ("w", [-WIDEST] * 12 + [Decimal(1)], -WIDEST * 12 + 1),
    ],
    ids=["cents", "cancelled", "18 fraction digits", "over 64 bits", "under 64 bits"],
)
def test_sums_are_exact(column, values, total):
    got = finished(agg.sum("f", column, windows="all"), column, values)
    assert got == total
    assert got.as_tuple().exponent == -SCHEMA[column].scale


def test_sums_have_room_for_2_to_the_31_of_the_widest_values():
    assert finished(agg.sum("f", "w", windows="all"), "w", [WIDEST, WIDEST], rounds=31) == WIDEST * 2**31


def test_extremes_compare_as_decimals_do_and_not_as_doubles():
    near = [WIDEST, WIDEST - 1, WIDEST - 2]  # one and the same double
    assert len(set(map(float, near))) == 1
    assert finished(agg.max("f", "w", windows="all"), "w", near) == WIDEST
    assert finished(agg.min("f", "w", windows="all"), "w", near) == WIDEST - 2


@pytest.mark.parametrize(
    ("column", "values", "mean", "variance"),
    [
        ("p", [Decimal("1.5"), Decimal("2.5"), Decimal(5)], 3.0, 3.25),
        ("p", [Decimal("99999999.9998"), Decimal("99999999.9999")], 99999999.99985, 5e-9),
        ("d", [SMALLEST, SMALLEST * 3], 2e-18, 2e-36),
        ("w", [Decimal(10**15), Decimal(10**15 + 2)], 1e15 + 1, 2.0),
    ],
    ids=["plain", "large", "small", "whole"],
)
def test_moments_are_in_the_columns_unit(column, values, mean, variance):
    assert finished(agg.mean("f", column, windows="all"), column, values) == pytest.approx(mean, rel=1e-15)
    slack = 1e-9 * (mean**2 + variance)
    for got in (
        finished(agg.variance("f", column, windows="all"), column, values),
        finished(agg.stddev("f", column, windows="all"), column, values) ** 2,
        finished(agg.covariance("f", column, column, windows="all"), column, values),
    ):
        assert got == pytest.approx(variance, rel=0, abs=slack)
    assert finished(agg.correlation("f", column, column, windows="all"), column, values) == pytest.approx(1.0)


def test_a_correlation_is_null_only_where_no_two_decimals_differ():
    correlation = agg.correlation("f", "w", "w", windows="all")
    assert finished(correlation, "w", [WIDEST] * 3) is None
    assert finished(correlation, "w", [WIDEST, WIDEST - 1]) is not None  # though no double tells them apart


def test_a_decimal_decays_in_its_unit():
    feature = agg.decayed_sum("f", "p", half_life="1000s")
    assert finished(feature, "p", [Decimal("1.25"), Decimal("0.75")]) == pytest.approx(1.0)


def test_a_column_has_at_most_18_digits_and_says_so():
    with pytest.raises(DefinitionError, match=r"decimal\(19,4\) is out of range"):
        parse_type("decimal(19,4)")
    assert Schema({"x": "decimal(18,18)"})["x"].scale == 18
