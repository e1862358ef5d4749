"""An answer in the forms that models and notebooks take says what it says as a dict."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions.references import parse_reference
from headrace.errors import DataError
from headrace.kernel.columns import NULL_VALUE, PRESENT, ArrowColumn, HeldColumns
from headrace.online.answer import MemberColumns, OnlineFeatures
from headrace.online.document import AnswerForm
from headrace.retrieval.plan import Member
from headrace.schema import parse_type

LARGE = 2**62 + 1
VALUES: dict[str, tuple[str, list[Any]]] = {
    "ad": ("int64", [LARGE, None]),
    "fee": ("decimal(18,2)", [Decimal("12345678901234.56"), None]),
    "paid": ("bool", [True, None]),
    "price": ("double", [0.1, None]),
}


def answer(**more: tuple[str, list[Any]]) -> OnlineFeatures:
    columns, members = {}, []
    for name, (of, values) in {**VALUES, **more}.items():
        kind = parse_type(of)
        status = np.array([NULL_VALUE if value is None else PRESENT for value in values], np.uint8)
        columns[name] = ArrowColumn(pa.array(values, kind.arrow()), status, np.array([7, 7]))
        members.append(Member(name, parse_reference(f"v@1:{name}"), 0, kind))
    held = MemberColumns({name: (0, name) for name in columns}, [HeldColumns(columns)])
    return OnlineFeatures({"user_id": [LARGE, None]}, members, held, 8, AnswerForm(members))


def test_a_matrix_has_the_nearest_doubles() -> None:
    matrix = answer().to_numpy()
    assert matrix[0].tolist() == [float(LARGE), 12345678901234.56, 1.0, 0.1]
    assert np.isnan(matrix[1]).all()


def test_what_is_no_number_is_in_no_matrix() -> None:
    with pytest.raises(DataError, match="'word' is a string"):
        answer(word=("string", ["a", None])).to_numpy()


def test_a_frame_rounds_no_integer() -> None:
    frame = answer().to_pandas()
    assert (frame["ad"][0], frame["user_id"][0]) == (LARGE, LARGE)
    assert frame["ad"].isna().tolist() == [False, True]
    assert frame["fee"].tolist() == VALUES["fee"][1]
