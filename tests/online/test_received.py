"""What a stream tells of an answer is the answer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions.references import parse_reference
from headrace.errors import StoreError
from headrace.kernel.columns import ArrowColumn, HeldColumns
from headrace.online.answer import MemberColumns, OnlineFeatures
from headrace.online.document import AnswerForm
from headrace.online.received import answer_of
from headrace.retrieval.deadline import Overrun
from headrace.retrieval.plan import Member
from headrace.schema import Type
from headrace.windows import FOREVER_AGO

ENTITIES = {"user_id": ["u1", "u2", "u3"]}


def made() -> OnlineFeatures:
    """Two views with a feature of one name, a function, and every status."""
    texts = ("a@1:x", "b@2:x", "f@3")
    kinds = (Type("map", items=(Type("string"), Type("int64"))), Type("decimal", 38, 4), Type("double"))
    references = [parse_reference(text) for text in texts]
    members = [
        Member(name, reference, place, kind)
        for name, reference, place, kind in zip(
            ("a__x", "b__x", "f"), references, (0, 1, -1), kinds, strict=True
        )
    ]
    newest = np.array([1_700_000_000_000_001, FOREVER_AGO, 0])
    columns = [
        ArrowColumn(
            pa.array([[("k", 1)], [], None], kinds[0].arrow()), np.uint8([1, 0, 4]), newest, "truncated"
        ),
        ArrowColumn(pa.nulls(3, kinds[1].arrow()), np.uint8([3, 2, 0]), newest[::-1], "too early"),
        ArrowColumn(
            pa.array([np.nan, np.inf, None]), np.uint8([1, 1, 0]), newest, "why", {2: "why of this row"}
        ),
    ]
    parts = [HeldColumns({name: column}) for name, column in zip(("x", "x", "f"), columns, strict=True)]
    places = {"a__x": (0, "x"), "b__x": (1, "x"), "f": (-1, "f")}
    overran = (Overrun("f@3", 1_234),)
    return OnlineFeatures(ENTITIES, members, MemberColumns(places, parts), 77, AnswerForm(members), overran)


def test_everything_comes_back() -> None:
    sent = made()
    got = answer_of(sent.to_stream(), ENTITIES)
    assert repr(list(got.values())) == repr(list(sent.values()))
    assert got.to_arrow().schema == sent.to_arrow().schema
    assert list(got.members) == sent.members
    assert got.document() == sent.document()
    assert (got.t, got.overran, len(got)) == (77, sent.overran, 3)


def test_what_is_no_answer_is_refused() -> None:
    other = pa.table({"a": [1]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, other.schema) as writer:
        writer.write_table(other)
    for stream in (b"", b"{}", sink.getvalue().to_pybytes(), made().to_stream()[:-200]):
        with pytest.raises(StoreError, match="cannot be read"):
            answer_of(stream, ENTITIES)
