from __future__ import annotations

import json
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

import headrace as hr
from headrace.agg import CATALOGUE
from headrace.definitions.canonical import (
    Document,
    canonical_bytes,
    document,
    freeze,
    from_document,
    from_documents,
)
from headrace.definitions.codec import decode, encode
from headrace.definitions.frozen import FrozenMapping
from headrace.definitions.graph import gather
from headrace.definitions.source import InMemory
from headrace.errors import DefinitionError, StoreError
from headrace.schema import Schema, Type
from headrace.testing.definitions import (
    aggregate_views,
    definitions,
    entities,
    event_sources,
    labels,
    latest_views,
    on_demand_features,
    services,
    table_sources,
)
from tests.definitions.samples import SCHEMA, events, latest, table, view
from tests.effort import cases

KINDS = {
    "entity": entities(),
    "event source": event_sources(),
    "table source": table_sources(),
    "aggregate view": aggregate_views(),
    "latest view": latest_views(),
    "on-demand feature": on_demand_features(),
    "service": services(),
    "label": labels(),
}


def documents(of: Any) -> dict[Any, Document]:
    """The documents of a definition and of all it holds, as a registry would hand them back."""
    found: dict[Any, Document] = {}
    waiting = [of]
    while waiting:
        each = waiting.pop()
        made = document(each)
        body = json.loads(canonical_bytes(made.body))
        found[made.reference] = Document(made.kind, made.name, made.version, body, "", "")
        waiting += each.uses
    return found


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_back(kind: str) -> None:
    @settings(max_examples=cases(40))
    @given(KINDS[kind])
    def reads_back(definition: Any) -> None:
        written = document(definition)
        read = from_documents(documents(definition))[definition.reference]
        assert type(read) is type(definition)
        if not isinstance(definition, hr.FeatureService):  # its views have their time zone settled meanwhile
            assert read == freeze(definition)
        again = document(read)
        assert again == written
        assert canonical_bytes(again.body) == canonical_bytes(written.body)
        assert read.written == f"registry, {written.kind} {written.reference}"

    reads_back()


@pytest.mark.soak
@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_aggregation_reads_back(kind: str) -> None:
    @settings(max_examples=cases(10))
    @given(aggregate_views(having=kind))
    def reads_back(view: hr.AggregateView) -> None:
        assert kind in {each.kind for each in view.features}
        assert from_documents(documents(view))[view.reference] == freeze(view)

    reads_back()


@pytest.mark.soak
@settings(max_examples=cases(50))
@given(definitions())
def test_what_a_definition_depends_on_is_named(definition: Any) -> None:
    made = document(definition)
    held = {each.reference for each in definition.uses}
    named = {each.definition for each in made.references}
    assert held <= named
    assert made.reference == definition.reference


def test_the_body_refers_by_name() -> None:
    body = document(view()).body
    assert body["entity"] == {"is": "reference/entity", "name": "user"}
    assert body["source"] == {"is": "reference/source", "name": "ads"}
    assert body["is"] == "view/aggregate"
    service = hr.FeatureService("s", features=[view()["ctr_7d"]])
    assert document(service).body["features"] == [
        {
            "is": "selection",
            "view": {"is": "reference/view", "name": "user_ads", "version": "1"},
            "features": ["ctr_7d"],
        }
    ]


def test_the_whole_form_of_a_small_definition() -> None:
    made = hr.Entity("pair", {"b": "string", "a": "int64"}, owner="ads", tags=["x"])
    assert canonical_bytes(document(made).body).decode() == (
        '{"description":"","is":"entity","join_keys":{"columns":[["b","string"],["a","int64"]],"is":"schema"},'
        '"name":"pair","owner":"ads","tags":["x"]}'
    )


def test_order_is_kept_where_it_is_told() -> None:
    made = hr.Entity("pair", {"b": "string", "a": "int64"})
    (read,) = from_documents(documents(made)).values()
    assert list(read.join_keys) == ["b", "a"]  # type: ignore[attr-defined]


def test_a_table_in_memory_is_only_noted() -> None:
    source = table(batch=pl.DataFrame({"ts": []}))
    body = document(source).body
    assert body["batch"] == {"is": "in_memory"}
    (read,) = from_documents(documents(source)).values()
    assert read.batch == InMemory()  # type: ignore[attr-defined]
    assert read.in_memory  # type: ignore[attr-defined]


def test_a_schema_that_was_read_is_frozen_into_the_document() -> None:
    source = hr.EventSource("ads", batch="ads.parquet", timestamp="ts", columns={"hour": "1"})
    resolved = {"ads": Schema({**SCHEMA, "hour": "int64"})}
    made = document(source, resolved)
    assert made.body["schema"]["columns"] == [[name, of] for name, of in SCHEMA.items()]
    assert made.semantic == document(events(columns={"hour": "1"})).semantic
    assert (
        document(view(source=source), resolved).semantic
        == document(view(source=events(columns={"hour": "1"}))).semantic
    )
    assert document(latest(source=source), resolved).semantic != document(latest(source=source)).semantic
    label = hr.Label("l", source=source, touches=source, keys=["user_id"])
    frozen = hr.Label(
        "l", source=events(columns={"hour": "1"}), touches=events(columns={"hour": "1"}), keys=["user_id"]
    )
    assert document(label, resolved).semantic == document(frozen).semantic


def test_what_a_read_schema_lacks_is_refused_where_the_definition_is_written() -> None:
    source = hr.EventSource("ads", batch="ads.parquet", timestamp="when")
    with pytest.raises(
        DefinitionError, match=r"test_canonical.py:\d+: source 'ads': the timestamp column 'when' is not"
    ):
        document(source, {"ads": Schema(SCHEMA)})


def test_the_projects_time_zone_is_frozen_where_a_view_names_none() -> None:
    berlin = document(view(), timezone="Europe/Berlin")
    assert berlin.body["timezone"] == "Europe/Berlin"
    assert berlin.semantic == document(view(timezone="Europe/Berlin")).semantic
    assert berlin.semantic != document(view()).semantic


def test_a_body_with_an_unknown_field_or_class_needs_a_newer_headrace() -> None:
    made = document(hr.Entity("user", ["id"]))
    for body in (
        {**made.body, "colour": "red"},
        {**made.body, "is": "entity/coloured"},
        {**made.body, "is": None},
        {**made.body, "join_keys": {"is": "schema", "columns": [["id", "colour"]]}},
        {**made.body, "join_keys": {"is": "schema"}},
        {**made.body, "name": "a__b"},
        {**made.body, "name": "other"},
        {**made.body, "is": "rule"},
        {"is": "in_memory"},
        {},
    ):
        with pytest.raises(StoreError, match="registry, entity user: "):
            from_document(Document("entity", "user", "", body, "", ""), lambda _: made)  # type: ignore[arg-type,return-value]


def test_a_missing_reference_is_named() -> None:
    held = documents(view())
    del held[view().entity.reference]
    with pytest.raises(StoreError, match="refers to entity user, which it does not hold"):
        from_documents(held)


def test_no_number_that_is_none_can_stand_in_a_document() -> None:
    for number in (math.nan, math.inf, -math.inf):
        with pytest.raises(DefinitionError, match="cannot stand in a definition"):
            encode(number)
    with pytest.raises(DefinitionError, match="A object cannot stand in a definition"):
        encode(object())
    assert canonical_bytes(encode((0.1, -0.0, 1e22, 3))) == b"[0.1,0.0,1e+22,3]"


def test_mappings_may_have_any_names() -> None:
    for mapping in ({"is": "x"}, {"is": {"is": 1}}, {}, {"a": 1}):
        frozen = FrozenMapping(
            {name: FrozenMapping(of) if isinstance(of, dict) else of for name, of in mapping.items()}
        )
        assert decode(encode(frozen), lambda _: None) == frozen  # type: ignore[arg-type,return-value]


def test_types_that_no_schema_spells_are_kept() -> None:
    for of in (
        Type("map", items=(Type("string"), Type("decimal", 38, 4))),
        Type(
            "struct",
            items=(Type("int64"), Type("list", items=(Type("struct", items=(Type("date"),), names=("d",)),))),
            names=("a, b", "c"),
        ),
    ):
        schema = Schema({"x": of})
        assert decode(json.loads(json.dumps(encode(schema))), lambda _: None) == schema  # type: ignore[arg-type,return-value]


def test_gathered_documents_come_in_an_order_that_can_be_read() -> None:
    service = hr.FeatureService("s", features=[view(), latest()])
    order = [each.reference for each in gather([service])]
    for each in gather([service]):
        assert all(order.index(used.reference) < order.index(each.reference) for used in each.uses)
