"""Values and tables as people read them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from headrace.rendering import html_table, plain_table, written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "true"),
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (12_345_678.0, "12345678.0"),
        (Decimal("1.50"), "1.50"),
        ("a\nb", "a b"),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "2026-01-01T00:00:00Z"),
        (dt.date(2026, 1, 1), "2026-01-01"),
        (b"\x01\xff", "0x01ff"),
        (["a", None, 1.5], "[a, -, 1.5]"),
        ({"a": [1]}, "{a: [1]}"),
    ],
)
def test_a_value_in_one_line(value: object, text: str) -> None:
    assert written(value) == text


def test_a_long_value_ends_in_an_ellipsis() -> None:
    assert written("abcdef", 4) == "abc…"
    assert written("abcd", 4) == "abcd"


def test_columns_are_aligned_and_lines_do_not_end_in_blanks() -> None:
    text = plain_table(["name", "n"], [["a", 1], ["long name", 100]])
    assert text == "name         n\na            1\nlong name  100"
    assert plain_table(["n", "name"], [[None, "a"]]) == "n  name\n-  a"
    assert plain_table(["name", "n"], []) == "name  n"


def test_html_is_escaped_and_numbers_stand_right() -> None:
    page = html_table(["<h>"], [["&"], [1]])
    assert "<th>&lt;h&gt;</th>" in page
    assert "<td>&amp;</td>" in page
    assert '<td style="text-align: right">1</td>' in page
