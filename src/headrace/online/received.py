"""An answer that came as an Arrow stream, as the object that the store itself would have returned."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from headrace.clock import instant
from headrace.definitions.references import parse_reference
from headrace.errors import StoreError
from headrace.kernel.columns import STATUS_NAMES, ArrowColumn, HeldColumns
from headrace.online.answer import MemberColumns, OnlineFeatures
from headrace.online.arrow_stream import STATUS, TIMESTAMP
from headrace.online.document import AnswerForm
from headrace.retrieval.deadline import Overrun
from headrace.retrieval.plan import Member
from headrace.schema import Type
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["answer_of"]


def answer_of(stream: bytes, entities: Mapping[str, Sequence[Any]]) -> OnlineFeatures:
    """The answer in a stream.

    Args:
        stream: What `headrace.online.arrow_stream.to_stream` made.
        entities: The entities' columns as they were asked.

    Raises:
        StoreError: It is no such stream.
    """
    try:
        table = pa.ipc.open_stream(stream).read_all().combine_chunks()
        about = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
        if tuple(json.loads(about["statuses"])) != STATUS_NAMES:
            raise _unknown("its statuses are others")
        names = json.loads(about["feature_names"])[-len(json.loads(about["features"])) :]
        types = tuple(table.schema.field(name).type for name in names)
        layout = _layout(tuple(names), about["features"], types)
        columns = _columns(table, names, about)
        as_of = instant(about["as_of"])
        overran = tuple(Overrun(*each) for each in json.loads(about["overran"]).items())
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise _unknown(f"{type(error).__name__}: {error}") from None
    parts = [HeldColumns({own: columns[name] for own, name in part.items()}) for part in layout.parts]
    members = MemberColumns(layout.places, parts)
    return OnlineFeatures(dict(entities), layout.members, members, as_of, layout.form, overran)


class _Layout(NamedTuple):
    """What answers to one list of features have in common; `parts` has own name -> column for each part."""

    members: tuple[Member, ...]
    places: Mapping[str, tuple[int, str]]
    parts: tuple[Mapping[str, str], ...]
    form: AnswerForm


@lru_cache(maxsize=256)
def _layout(names: tuple[str, ...], features: str, types: tuple[pa.DataType, ...]) -> _Layout:
    """Members as the server's plan has them: features by view, on-demand features last."""
    references = [parse_reference(text) for text in json.loads(features)]
    views = list(dict.fromkeys(each.definition for each in references if each.feature))
    members, places = [], {}
    parts: list[dict[str, str]] = [{} for _ in (*views, None)]
    for name, of, kind in zip(names, references, types, strict=True):
        place, own = (views.index(of.definition) if of.feature else -1), of.feature or of.name
        members.append(Member(name, of, place, _type_of(kind)))
        places[name] = place, own
        parts[place][own] = name
    return _Layout(tuple(members), places, tuple(parts), AnswerForm(members))


def _columns(table: pa.Table, names: Sequence[str], about: Mapping[str, str]) -> dict[str, ArrowColumn]:
    shape = table.num_rows, len(names)
    status = _flat(table, STATUS).to_numpy(zero_copy_only=False).reshape(shape)
    times = _flat(table, TIMESTAMP).cast(pa.int64()).fill_null(FOREVER_AGO).to_numpy().reshape(shape)
    reasons, of_rows = json.loads(about["reasons"]), json.loads(about["reasons_of_rows"])
    return {
        name: ArrowColumn(
            table.column(name).combine_chunks(),
            status[:, place],
            times[:, place],
            reasons.get(name, ""),
            {int(row): reason for row, reason in of_rows.get(name, {}).items()},
        )
        for place, name in enumerate(names)
    }


def _flat(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks().flatten()


def _type_of(found: pa.DataType) -> Type:
    """The type that Arrow has it from; see `Type.arrow`."""
    kinds = pa.types
    if kinds.is_list(found):
        return Type("list", items=(_type_of(found.value_type),))
    if kinds.is_map(found):
        return Type("map", items=(_type_of(found.key_type), _type_of(found.item_type)))
    if kinds.is_struct(found):
        return Type("struct", items=tuple(_type_of(each.type) for each in found), names=tuple(found.names))
    if kinds.is_decimal(found):
        return Type("decimal", found.precision, found.scale)
    return Type(_NAMES.get(found, str(found)))


_NAMES = {Type(name).arrow(): name for name in ("string", "int64", "double", "bool", "date", "binary")} | {
    Type("timestamp").arrow(): "timestamp"
}


def _unknown(why: str) -> StoreError:
    return StoreError(
        f"The answer cannot be read: {why}.", remedy="Run the same version of Headrace on both sides."
    )
