"""Finding what is registered, by name, version, words, history and lineage; activation and rollback."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings

import headrace as hr
from headrace.catalogs.sql import SqlCatalog
from headrace.clock import FixedClock, instant
from headrace.definitions.canonical import document, freeze
from headrace.definitions.graph import gather
from headrace.errors import UnknownNameError
from headrace.ports.catalog import Key, Run
from headrace.registry.registry import Registry
from headrace.testing.definitions import definitions
from tests.effort import cases
from tests.registry.plain import naming, source, view
from tests.registry.shop import ctr_model, interactions, project, shop, user, user_ads

if TYPE_CHECKING:
    from headrace.definitions.base import Definition
    from headrace.definitions.canonical import Document

NOON = instant("2026-01-31T12:00:00Z")


def test_the_story_on_every_database(url: str, clock: FixedClock) -> None:
    with contextlib.closing(SqlCatalog(url)) as catalog:
        Registry(catalog, clock, "ana").apply(*shop())
        clock.advance(1)
        second = user_ads("2", where="event = 'tap'")
        Registry(catalog, clock, "bo").apply(*project(second, ctr_model(second, "2")))
    with contextlib.closing(SqlCatalog(url)) as catalog:
        registry = Registry(catalog, clock, "cy")
        assert registry.get("view", "user_ads").version == "2"
        assert registry.get("view", "user_ads", "1").who == "ana"
        assert registry.rollback("view", "user_ads").version == "1"
        assert registry.counter() == 3
        assert {each.who for each in registry.audit()} == {"ana", "bo", "cy"}
        assert registry.definition("service", "ctr_model", "1").name == "ctr_model"
        registry.apply([], allow_destructive=True)
        assert registry.list() == []
        assert len(registry.history("view", "user_ads")) == 2


def test_every_object_says_who_wrote_it_and_when(registry: Registry, clock: FixedClock) -> None:
    registry.apply(*shop())
    clock.advance(5)
    ads = user_ads(owner="x", windows=("1d", "7d", "30d"))
    registry.apply(*project(ads, ctr_model(ads)))
    entry = registry.get("view", "user_ads")
    assert (entry.created_at, entry.updated_at, entry.who, entry.active) == (NOON, NOON + 5, "ana", True)
    assert registry.get("entity", "user").updated_at == NOON
    feature = registry.feature("user_ads:impressions_7d").feature
    assert (feature.created_at, feature.updated_at) == (NOON, NOON)
    feature = registry.feature("user_ads:ctr_7d").feature
    assert (feature.created_at, feature.updated_at) == (NOON, NOON + 5)  # its owner is the view's
    feature = registry.feature("user_ads:clicks_30d").feature
    assert (feature.created_at, feature.updated_at) == (NOON + 5, NOON + 5)


def test_the_history_holds_every_revision_as_it_was(registry: Registry, clock: FixedClock) -> None:
    for owner in ("a", "b", "c"):
        registry.apply([view("ads", "1", {"x": ""}, owner=owner)])
        clock.advance(1)
    registry.apply([view("ads", "2", {"x": "y"}, owner="c")])
    told = [
        (each.version, each.revision, each.change, each.body["owner"])
        for each in registry.history("view", "ads")
    ]
    assert told == [
        ("1", 1, "added", "a"),
        ("1", 2, "metadata", "b"),
        ("1", 3, "metadata", "c"),
        ("2", 1, "added", "c"),
    ]
    assert [each.updated_at - NOON for each in registry.history("view", "ads")] == [0, 1, 2, 3]
    assert [each.active for each in registry.history("view", "ads")] == [False, False, False, True]
    with pytest.raises(UnknownNameError, match="Did you mean 'ads'"):
        registry.history("view", "asd")


def test_a_feature_is_described_in_full(registry: Registry) -> None:
    registry.apply(*shop())
    assert registry.feature("user_ads:ctr_7d").to_dict() == {
        "name": "ctr_7d",
        "reference": "user_ads@1:ctr_7d",
        "view": "user_ads",
        "version": "1",
        "description": "smoothed click rate",
        "type": "numerical",
        "value_type": "double",
        "entity": "user",
        "source": "ad_interactions",
        "stem": "ctr",
        "window": "7d",
        "aggregation": "rate",
        "companion": "",
        "logic": registry.feature("user_ads@v1:ctr_7d").about["logic"],
        "update_frequency": "real_time",
        "owner": "ads@example.com",
        "tags": ["user", "performance"],
        "dependencies": ["ad_interactions", "user_ads:clicks", "user_ads:impressions"],
        "rules": registry.feature("user_ads@1:ctr_7d").about["rules"],
        "created_at": NOON,
        "updated_at": NOON,
        "is_active": True,
    }
    assert registry.feature("user_ads:ctr_7d").about["rules"][0]["is"] == "rule"
    assert registry.feature("weighted_bid").reference == "weighted_bid@1"
    assert registry.feature("weighted_bid").to_dict()["view"] is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("user_ads:ctr_9d", "Did you mean 'ctr_7d'"),
        ("user_adz:ctr_7d", "Did you mean 'user_ads'"),
        ("user_ads@2:ctr_7d", "There is no version of view 'user_ads' named '2'. Available: 1"),
        ("weighted_bit", "Did you mean 'weighted_bid'"),
    ],
)
def test_an_unknown_feature_gets_the_nearest_offered(
    registry: Registry, reference: str, message: str
) -> None:
    registry.apply(*shop())
    with pytest.raises(UnknownNameError, match=message):
        registry.feature(reference)


def test_an_unknown_kind_gets_the_nearest_offered(registry: Registry) -> None:
    registry.apply(*shop())
    with pytest.raises(UnknownNameError, match=r"There is no kind named 'vew'.*Did you mean 'view'"):
        registry.get("vew", "user_ads")
    with pytest.raises(UnknownNameError, match="There is no label yet"):
        registry.get("label", "converted")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, {"user", "ad_interactions", "user_ads", "weighted_bid", "ctr_model"}),
        ({"kind": "view"}, {"user_ads"}),
        ({"tags": ["raw", "user"]}, {"ad_interactions", "user_ads"}),
        ({"tags": "raw"}, {"ad_interactions"}),
        ({"all_tags": ["raw", "user"]}, set()),
        ({"all_tags": ["performance", "user"]}, {"user_ads"}),
        ({"owner": "data@example.com"}, {"ad_interactions"}),
        ({"owner": "data"}, set()),
        ({"type": "numerical"}, {"user_ads", "weighted_bid"}),
        ({"type": "embedding"}, set()),
        ({"text": "PRICE"}, {"ad_interactions", "user_ads"}),
        ({"text": "hour"}, {"ad_interactions"}),
        ({"text": "somebody sees"}, {"user"}),
        ({"text": "somebody performance"}, set()),
        ({"text": "smoothed"}, {"user_ads"}),
        ({"text": "ctr_m"}, {"ctr_model"}),
        ({"kind": "view", "text": "raw"}, set()),
    ],
)
def test_searching_definitions(registry: Registry, asked: dict, found: set[str]) -> None:
    registry.apply(*shop())
    assert {each.name for each in registry.list(**asked)} == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"tags": ["volume", "request"]}, {"impressions_7d", "weighted_bid"}),
        ({"all_tags": ["volume", "user"]}, {"impressions_7d"}),
        ({"all_tags": ["volume", "request"]}, set()),
        ({"owner": "volume@example.com"}, {"impressions_7d"}),
        ({"text": "price"}, {"spend_7d"}),
        ({"text": "User_Ads CTR"}, {"ctr_7d"}),
        ({"text": "bid worth"}, {"weighted_bid"}),
        ({"type": "list"}, set()),
    ],
)
def test_searching_features(registry: Registry, asked: dict, found: set[str]) -> None:
    registry.apply(*shop())
    assert {each.name for each in registry.features(**asked)} == found


def test_only_active_versions_are_listed_unless_all_are_wanted(registry: Registry) -> None:
    for version in ("1", "2", "10"):
        registry.apply([view("ads", version, {"a": version})])
    assert [str(each.key) for each in registry.list()] == ["ads@10"]
    assert [str(each.key) for each in registry.list(versions=True)] == ["ads@1", "ads@2", "ads@10"]
    assert [each.reference for each in registry.features()] == ["ads@10:a"]
    assert len(registry.features(versions=True)) == 3


def test_rollback_goes_back_step_by_step(registry: Registry) -> None:
    for version in ("1", "2", "3"):
        registry.apply([view("ads", version, {"a": version})])
    registry.activate("view", "ads", "1")
    assert [registry.rollback("view", "ads").version for _ in range(3)] == ["3", "2", "1"]
    with pytest.raises(UnknownNameError, match="only ever been active in version 1"):
        registry.rollback("view", "ads")
    assert [each.action for each in registry.audit("view", "ads")][-4:] == ["activate"] + ["rollback"] * 3


def test_activating_the_active_version_writes_nothing(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""})])
    assert registry.activate("view", "ads", "1").active
    assert registry.counter() == 1
    with pytest.raises(UnknownNameError, match="version of view 'ads' named '2'"):
        registry.activate("view", "ads", "2")


def test_applying_known_definitions_does_not_undo_a_rollback(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""})])
    registry.apply([view("ads", "2", {"a": "x"})])
    registry.rollback("view", "ads")
    plan = registry.plan([view("ads", "2", {"a": "x"}, owner="new")])
    assert plan.notes == ("view ads stays at 1, by rollback of ana.",)
    registry.apply(plan)
    assert registry.get("view", "ads").version == "1"
    assert {str(each.key) for each in registry.list_live_views()} == {"ads@1", "ads@2"}
    registry.apply([view("ads", "3", {"a": "y"})])
    assert registry.get("view", "ads").version == "3"
    assert registry.rollback("view", "ads").version == "1"


def test_definitions_that_go_back_a_version_make_it_active(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""})])
    registry.apply([view("ads", "2", {"a": "x"})])
    plan = registry.plan([view("ads", "1", {"a": ""})])
    assert [switch.to_dict() for switch in plan.switches] == [
        {"kind": "view", "name": "ads", "before": "2", "after": "1"}
    ]
    registry.apply(plan)
    assert registry.get("view", "ads").version == "1"


def test_an_older_version_that_comes_later_is_not_active(registry: Registry) -> None:
    registry.apply([view("ads", "10", {"a": ""})])
    registry.apply([view("ads", "10", {"a": ""}), view("ads", "9", {"a": "x"})])
    assert registry.get("view", "ads").version == "10"


def test_a_source_that_goes_back_is_its_old_version_again(registry: Registry) -> None:
    registry.apply([source("events", "a")])
    registry.apply([source("events", "b")])
    assert registry.get("source", "events").version == "2"
    registry.apply([source("events", "a", owner="new")])
    entry = registry.get("source", "events")
    assert (entry.version, entry.revision, entry.body["owner"]) == ("1", 2, "new")


def test_lineage_goes_both_ways(registry: Registry) -> None:
    registry.apply(*shop())
    found = registry.lineage("user_ads:clicks_7d")
    assert set(map(str, found.nodes)) == {
        "entity:user@1",
        "source:ad_interactions@1",
        "view:user_ads@1",
        "feature:user_ads@1:clicks_7d",
        "on_demand:weighted_bid@1",
        "service:ctr_model@1",
    }
    assert {(str(start), str(end)) for start, end in found.edges} == {
        ("entity:user@1", "view:user_ads@1"),
        ("source:ad_interactions@1", "view:user_ads@1"),
        ("view:user_ads@1", "feature:user_ads@1:clicks_7d"),
        ("feature:user_ads@1:clicks_7d", "on_demand:weighted_bid@1"),
        ("feature:user_ads@1:clicks_7d", "service:ctr_model@1"),
        ("on_demand:weighted_bid@1", "service:ctr_model@1"),
    }
    places = {node: place for place, node in enumerate(found.nodes)}
    assert all(places[start] < places[end] for start, end in found.edges)


def test_lineage_of_a_service_is_what_it_reads(registry: Registry) -> None:
    registry.apply(*shop())
    features = {node.name for node in registry.lineage("ctr_model@1").nodes if node.kind == "feature"}
    assert features == {"user_ads@1:ctr_7d", "user_ads@1:clicks_7d"}
    everything = registry.lineage("ad_interactions").to_dict()
    assert {node["kind"] for node in everything["nodes"]} == {
        "source",
        "view",
        "feature",
        "on_demand",
        "service",
    }
    assert {"from": "source:ad_interactions@1", "to": "view:user_ads@1"} in everything["edges"]


def test_lineage_of_an_old_version_is_its_own(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""})])
    registry.apply([view("ads", "2", {"a": "x"}), naming("service", "model", "1", "view:ads")])
    assert {str(node) for node in registry.lineage("ads@1").nodes} == {"view:ads@1", "feature:ads@1:a"}
    assert "service:model@1" in {str(node) for node in registry.lineage("ads").nodes}


def test_lineage_of_a_name_that_several_kinds_have(registry: Registry) -> None:
    registry.apply([source("ads"), view("ads", "1", {"a": ""})])
    assert {node.kind for node in registry.lineage("ads").nodes} == {"source", "view", "feature"}
    assert {node.kind for node in registry.lineage("ads", kind="source").nodes} == {"source"}
    with pytest.raises(UnknownNameError, match="Did you mean 'ads'"):
        registry.lineage("adz")


def test_what_a_registry_offers_is_what_new_definitions_may_name(registry: Registry) -> None:
    registry.apply(*shop())
    assert {str(each): names for each, names in registry.offers().items()} == {
        "user_ads@1": ("clicks_1d", "clicks_7d", "impressions_7d", "ctr_7d", "spend_7d"),
        "weighted_bid@1": ("weighted_bid",),
    }


def test_runs_are_kept_by_version(registry: Registry, clock: FixedClock) -> None:
    registry.apply([view("ads", "1", {"a": ""})])
    key = Key("view", "ads", "1")
    registry.record_run(key, end=NOON - 5, details={"rows": 7})
    clock.advance(1)
    registry.record_run(key, end=NOON, details={"rows": 8})
    assert registry.runs() == {key: Run(key, NOON, NOON + 1, {"rows": 8})}
    assert registry.counter() == 1


def test_readers_of_one_process_follow_writers_of_another(url: str, clock: FixedClock) -> None:
    with contextlib.closing(SqlCatalog(url)) as one, contextlib.closing(SqlCatalog(url)) as two:
        writer, reader = Registry(one, clock, "ana"), Registry(two, clock, "bo")
        for version in ("1", "2"):
            writer.apply([view("ads", version, {"a": version})])
            before = reader.state()
            assert reader.get("view", "ads").version == version
            assert reader.state() is before


@pytest.mark.soak
@settings(max_examples=cases(25), suppress_health_check=[HealthCheck.too_slow])
@given(drawn=definitions())
def test_any_definition_comes_back_as_it_was_written(drawn: Definition) -> None:
    frozen = freeze(drawn)
    documents = [document(each) for each in gather([frozen])]
    documents = [*_read_by(documents), *documents]
    with contextlib.closing(SqlCatalog("sqlite://")) as catalog:
        registry = Registry(catalog, FixedClock(0), "ana")
        registry.apply(documents)
        back = registry.definition(frozen.kind, frozen.name)
        assert document(back) == document(frozen)
        assert registry.plan(documents).is_empty


def _read_by(documents: list[Document]) -> list[Document]:
    """Stand-ins for what drawn on-demand features read: any view, any on-demand feature."""
    there = {each.reference for each in documents}
    missing = {each for of in documents for each in of.references if each.definition not in there}
    assume(all((each.kind, each.name) not in {(of.kind, of.name) for of in documents} for each in missing))
    views: dict[tuple[str, str], dict[str, str]] = {}
    for each in missing:
        if each.kind == "view":
            views.setdefault((each.name, each.version or "1"), {})[each.feature] = ""
    computed = {(each.name, each.version or "1") for each in missing if each.kind == "on_demand"}
    return [
        *(view(*of, features) for of, features in views.items()),
        *(naming("on_demand", *of) for of in computed),
    ]


def test_what_comes_back_is_equal_to_what_went_in(registry: Registry) -> None:
    registry.apply(*shop())
    assert registry.definition("view", "user_ads") == freeze(user_ads())
    assert registry.definition("entity", "user") == user()
    assert registry.definition("source", "ad_interactions") == interactions()
    made = registry.definition("service", "ctr_model")
    assert isinstance(made, hr.FeatureService)
    assert made.references == ctr_model(user_ads()).references
