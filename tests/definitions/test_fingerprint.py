from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import agg
from headrace.definitions.canonical import document
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.rules import Rule
from headrace.testing.definitions import definitions
from tests.definitions.samples import SCHEMA, entity, events, latest, table, view
from tests.effort import cases

CLICKS, SHOWN = (
    agg.count("clicks", where="event = 'click'", windows=["7d"]),
    agg.count("shown", windows=["7d"]),
)
CTR = agg.rate("ctr", numerator="clicks", denominator="shown", prior=(1, 50), windows=["7d"])


def on_demand(**changes: Any) -> OnDemandFeature:
    given = {
        "inputs": {"a": "profile:age"},
        "request": {"b": "double"},
        "output": "double",
        "source_hash": "1",
    }
    return OnDemandFeature(**{"name": "score", **given, **changes})


def service(**changes: Any) -> hr.FeatureService:
    return hr.FeatureService(**{"name": "s", "features": [view(), latest()], **changes})


def label(**changes: Any) -> hr.Label:
    made = {"name": "l", "source": events(), "touches": events(), "keys": ["user_id", "ad_id"], **changes}
    return hr.Label(**made)


RULES = [hr.rules.range("age", min=0)]
WORDS = {"description": "x", "owner": "x", "tags": ["x"]}
SOURCE_SEMANTIC = {
    "name": "other",
    "schema": {**SCHEMA, "more": "int64"},
    "timestamp": "received_at",
    "available_at": "received_at",
    "columns": {"hour": "1"},
    "rules": RULES,
    "allow_infinite": True,
}
SEMANTIC: dict[Any, dict[str, Any]] = {
    entity: {"name": "other", "join_keys": {"user_id": "int64"}},
    events: {**SOURCE_SEMANTIC, "event_id": "event_id"},
    table: {**SOURCE_SEMANTIC, "created_at": "received_at"},
    view: {
        "name": "other",
        "entity": entity(join_keys=["ad_id"]),
        "source": events(timestamp="received_at"),
        "features": [CLICKS],
        "timezone": "Europe/Berlin",
    },
    latest: {
        "name": "other",
        "entity": entity(join_keys=["ad_id"]),
        "source": table(timestamp="received_at"),
        "features": ["age"],
        "ttl": "1d",
    },
    on_demand: {
        "name": "other",
        "inputs": {"a": "profile:vip"},
        "request": {"b": "int64"},
        "output": "int64",
        "source_hash": "2",
        "takes_request_time": True,
    },
    service: {"name": "other", "features": [latest(), view()]},
    label: {
        "name": "other",
        "source": events(timestamp="received_at"),
        "touches": events(name="clicks"),
        "keys": ["user_id"],
        "within": "1d",
        "attribution": "first_touch",
        "where": "vip",
        "touches_where": "vip",
        "value": "age",
        "count": True,
        "reported_within": "1d",
    },
}
SOURCE_METADATA = {**WORDS, "batch": "other.parquet", "on_invalid": "warn"}
METADATA: dict[Any, dict[str, Any]] = {
    entity: WORDS,
    events: {
        **SOURCE_METADATA,
        "serving_delay": "2s",
        "lateness": "2h",
        "dedup_horizon": "2h",
        "complete_until": "2026-01-01",
        "stream": hr.Push(),
    },
    table: SOURCE_METADATA,
    view: {**WORDS, "is_active": False, "update_frequency": "hourly"},
    latest: {
        **WORDS,
        "is_active": False,
        "update_frequency": "hourly",
        "descriptions": {"age": "years"},
        "feature_types": {"age": "categorical"},
        "rules": RULES,
    },
    on_demand: {
        **WORDS,
        "is_active": False,
        "module_hash": "2",
        "type": "categorical",
        "rules": [hr.rules.not_null()],
        "cache": "60s",
        "isolate": True,
    },
    service: {**WORDS, "is_active": False},
    label: {**WORDS, "is_active": False},
}
NEITHER = {"written", "version", "function"}
SEMANTIC_CASES = [(make, name, value) for make, fields in SEMANTIC.items() for name, value in fields.items()]
METADATA_CASES = [(make, name, value) for make, fields in METADATA.items() for name, value in fields.items()]


@pytest.mark.parametrize("make", SEMANTIC)
def test_every_field_is_in_one_part_or_none(make: Any) -> None:
    fields = {each.name for each in dataclasses.fields(make())}
    assert fields - NEITHER == {*SEMANTIC[make], *METADATA[make]}
    assert not set(SEMANTIC[make]) & set(METADATA[make])


@pytest.mark.parametrize(
    ("make", "name", "value"), SEMANTIC_CASES, ids=lambda each: getattr(each, "__name__", str(each)[:20])
)
def test_a_semantic_change_changes_the_semantic_part(make: Any, name: str, value: Any) -> None:
    before, after = document(make()), document(make(**{name: value}))
    assert before.semantic != after.semantic


@pytest.mark.parametrize(
    ("make", "name", "value"), METADATA_CASES, ids=lambda each: getattr(each, "__name__", str(each)[:20])
)
def test_a_metadata_change_changes_the_metadata_part_alone(make: Any, name: str, value: Any) -> None:
    before, after = document(make()), document(make(**{name: value}))
    assert before.semantic == after.semantic
    assert before.metadata != after.metadata


@pytest.mark.parametrize("make", [view, latest, on_demand, service, label])
def test_equal_definitions_have_equal_fingerprints_in_all_versions(make: Any) -> None:
    one, two = document(make()), document(make(version="2"))
    assert (one.semantic, one.metadata) == (two.semantic, two.metadata)
    assert (one.version, two.version) == ("1", "2")


@pytest.mark.parametrize(("make", "changes"), [(view, METADATA[events]), (latest, METADATA[table])])
def test_metadata_of_the_source_is_none_of_the_views_business(make: Any, changes: dict[str, Any]) -> None:
    source = events if make is view else table
    for name, value in changes.items():
        before, after = (
            document(make()),
            document(make(source=source(**{name: value}), entity=entity(**WORDS))),
        )
        assert (before.semantic, before.metadata) == (after.semantic, after.metadata)


def test_rules_of_a_source_decide_values_unless_they_only_warn() -> None:
    assert document(events(rules=RULES)).semantic != document(events()).semantic
    assert (
        document(events(rules=RULES, on_invalid="reject")).semantic != document(events(rules=RULES)).semantic
    )
    warning = document(events(rules=RULES, on_invalid="warn"))
    assert warning.semantic == document(events()).semantic
    assert warning.metadata != document(events(on_invalid="warn")).metadata
    told = [hr.rules.range("age", min=0, description="years")]
    assert document(events(rules=told)).semantic == document(events(rules=RULES)).semantic
    assert document(events(rules=told)).metadata != document(events(rules=RULES)).metadata


AGGREGATION_METADATA = {
    "description": "x",
    "type": "categorical",
    "tags": ["x"],
    "owner": "x",
    "rules": [Rule("not_null")],
}


@pytest.mark.parametrize("name", AGGREGATION_METADATA)
def test_words_about_an_aggregation_are_metadata(name: str) -> None:
    changed = agg.count(
        "clicks", where="event = 'click'", windows=["7d"], **{name: AGGREGATION_METADATA[name]}
    )
    before, after = document(view(CLICKS, SHOWN)), document(view(changed, SHOWN))
    assert before.semantic == after.semantic
    assert before.metadata != after.metadata


def changed_features(
    before: hr.AggregateView, after: hr.AggregateView
) -> tuple[set[str], set[str], set[str]]:
    """Features that changed, were added, and went; the rest of the view is the same."""
    one, two = document(before), document(after)
    assert one.base == two.base
    both = one.features.keys() & two.features.keys()
    changed = {name for name in both if one.features[name] != two.features[name]}
    assert bool(changed or one.features.keys() ^ two.features.keys()) == (one.semantic != two.semantic)
    return changed, two.features.keys() - both, one.features.keys() - both


def test_a_new_feature_or_window_is_an_addition() -> None:
    before = view(CLICKS, SHOWN)
    assert changed_features(before, view(CLICKS, SHOWN, CTR)) == (set(), {"ctr_7d"}, set())
    more = agg.count("clicks", where="event = 'click'", windows=["1h", "7d"])
    assert changed_features(before, view(more, SHOWN)) == (set(), {"clicks_1h"}, set())
    assert changed_features(before, view(SHOWN)) == (set(), set(), {"clicks_7d"})


def test_a_changed_feature_is_found_with_those_that_refer_to_it() -> None:
    other = agg.count("clicks", where="event = 'tap'", windows=["7d"])
    assert changed_features(view(CLICKS, SHOWN, CTR), view(other, SHOWN, CTR)) == (
        {"clicks_7d", "ctr_7d"},
        set(),
        set(),
    )
    prior = agg.rate("ctr", numerator="clicks", denominator="shown", prior=(2, 50), windows=["7d"])
    assert changed_features(view(CLICKS, SHOWN, CTR), view(CLICKS, SHOWN, prior)) == (
        {"ctr_7d"},
        set(),
        set(),
    )


def test_another_hop_is_another_feature_though_of_the_same_name() -> None:
    finer = agg.count("shown", windows=[hr.window("7d", hop="5m")])
    assert changed_features(view(CLICKS, SHOWN), view(CLICKS, finer)) == ({"shown_7d"}, set(), set())


def test_where_counts_as_written() -> None:
    spaced = agg.count("clicks", where="event='click'", windows=["7d"])
    assert changed_features(view(CLICKS, SHOWN), view(spaced, SHOWN)) == ({"clicks_7d"}, set(), set())


def test_the_order_of_features_is_metadata() -> None:
    one, two = document(view(CLICKS, SHOWN)), document(view(SHOWN, CLICKS))
    assert one.semantic == two.semantic
    assert one.metadata != two.metadata
    one, two = document(latest("age", "vip")), document(latest("vip", "age"))
    assert (one.semantic, one.base, one.features) == (two.semantic, two.base, two.features)
    assert one.metadata != two.metadata


def test_the_order_of_tags_columns_and_mappings_does_not_count() -> None:
    one = events(tags=["a", "b"], columns={"c": "1", "d": "2"})
    two = events(tags=["b", "a", "b"], columns={"d": "2", "c": "1"}, schema=dict(reversed(SCHEMA.items())))
    assert (document(one).semantic, document(one).metadata) == (
        document(two).semantic,
        document(two).metadata,
    )


def test_an_option_at_its_default_is_as_if_it_were_not_written() -> None:
    written = events(available_at=None, serving_delay=None, lateness="1h", on_invalid="quarantine", tags=[])
    assert document(written) == document(events())


def test_only_views_have_hashes_of_features() -> None:
    for make in (entity, events, table, on_demand, service, label):
        made = document(make())
        assert (made.base, dict(made.features)) == ("", {})
    assert set(document(view()).features) == set(view().feature_names)
    assert set(document(latest()).features) == set(latest().feature_names)


def test_fingerprints_stay_what_they_were() -> None:
    # A change here makes every registry see a changed definition: it has to be meant.
    assert (
        document(entity(owner="ads")).semantic
        == "fda87de8120be86435e6dc45142696f23ca321961e14d686eaf11b80037db1e0"
    )
    assert document(view()).semantic == "65725f664582f65f743eef4ed161e003b7508adf4da6352df69b727e7ae55339"
    told = document(view(owner="ads", tags=["b", "a"]))
    assert told.metadata == "734627c30f8091d1740a368b33430201d0905c2757f9562d7f152587d4dcff64"


@pytest.mark.soak
@settings(max_examples=cases(60))
@given(definitions(), st.text(min_size=1, max_size=5).filter(str.isprintable))
def test_words_leave_the_semantic_part_of_any_definition_alone(definition: Any, words: str) -> None:
    before = document(definition)
    for field in ("description", "owner"):
        after = document(dataclasses.replace(definition, **{field: getattr(definition, field) + words}))
        assert (after.semantic, after.base, after.features) == (before.semantic, before.base, before.features)
        assert after.metadata != before.metadata
    renamed = document(dataclasses.replace(definition, name=f"{definition.name}x"))
    assert renamed.semantic != before.semantic
