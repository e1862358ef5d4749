"""What a plan says of each change, and what applying it does; on definitions as users write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import headrace as hr
from headrace.errors import ConflictError, DefinitionError, DestructiveChangeError, UnknownNameError
from headrace.ports.catalog import Key
from headrace.registry.changes import (
    HEADER,
    Added,
    DroppedFeatures,
    MetadataChange,
    NewFeatures,
    Plan,
    Removed,
    Restored,
    Retired,
    SemanticChange,
    Unchanged,
)
from tests.registry.plain import naming, source, view
from tests.registry.shop import ctr_model, interactions, project, shop, user, user_ads, weighted_bid

if TYPE_CHECKING:
    from headrace.registry.registry import Registry


def kinds_of_change(plan: Plan) -> dict[str, type]:
    return {
        f"{each.key.kind}:{each.key}": type(each) for each in plan.changes if not isinstance(each, Unchanged)
    }


def test_everything_is_new_at_first_and_views_are_to_be_loaded(registry: Registry) -> None:
    plan = registry.plan(*shop())
    assert kinds_of_change(plan) == {
        "entity:user@1": Added,
        "source:ad_interactions@1": Added,
        "view:user_ads@1": Added,
        "on_demand:weighted_bid@1": Added,
        "service:ctr_model@1": Added,
    }
    view = Key("view", "user_ads", "1")
    assert plan.backfill == {view: ("clicks_1d", "clicks_7d", "impressions_7d", "ctr_7d", "spend_7d")}
    assert plan.starts == (view,)
    assert not plan.destructive
    assert not plan.is_empty


def test_a_plan_lists_each_object_after_those_it_names(registry: Registry) -> None:
    documents, features = shop()
    plan = registry.plan(documents[::-1], features)
    assert [each.key.kind for each in plan.changes] == ["entity", "source", "view", "on_demand", "service"]


def test_planning_writes_nothing(registry: Registry) -> None:
    registry.plan(*shop())
    assert registry.counter() == 0
    assert registry.list() == []
    assert list(registry.audit()) == []


def test_applying_the_same_again_changes_nothing(registry: Registry) -> None:
    registry.apply(*shop())
    plan = registry.plan(*shop())
    assert plan.is_empty
    assert {type(each) for each in plan.changes} == {Unchanged}
    assert str(plan) == "No changes."
    assert registry.apply(*shop()).counter == registry.counter() == 1


def test_metadata_makes_a_revision_and_nothing_is_backfilled(registry: Registry) -> None:
    registry.apply(*shop())
    ads = user_ads(owner="new@example.com")
    plan = registry.plan(*project(ads, ctr_model(ads)))
    assert kinds_of_change(plan) == {"view:user_ads@1": MetadataChange}
    (change,) = (each for each in plan.changes if isinstance(each, MetadataChange))
    assert change.fields == ("owner",)
    assert plan.backfill == {}
    registry.apply(plan)
    entry = registry.get("view", "user_ads")
    assert (entry.revision, entry.change, entry.body["owner"]) == (2, "metadata", "new@example.com")
    assert registry.feature("user_ads:ctr_7d").about["owner"] == "new@example.com"
    assert registry.feature("user_ads:impressions_7d").about["owner"] == "volume@example.com"


def test_where_a_source_lies_is_metadata(registry: Registry) -> None:
    registry.apply(*shop())
    ads = user_ads(source=interactions(batch="moved/*.parquet"))
    plan = registry.plan(*project(ads, ctr_model(ads)))
    assert kinds_of_change(plan) == {"source:ad_interactions@1": MetadataChange}
    registry.apply(plan)
    made = registry.definition("view", "user_ads")
    assert isinstance(made, hr.AggregateView)
    assert made.source.batch == "moved/*.parquet"


def test_of_a_new_window_only_its_features_are_backfilled(registry: Registry) -> None:
    registry.apply(*shop())
    ads = user_ads(windows=("1d", "7d", "30d"))
    plan = registry.plan(*project(ads, ctr_model(ads)))
    assert kinds_of_change(plan) == {"view:user_ads@1": NewFeatures}
    assert plan.backfill == {Key("view", "user_ads", "1"): ("clicks_30d",)}
    assert not plan.destructive
    registry.apply(plan)
    assert registry.get("view", "user_ads").content.feature_names[:3] == (
        "clicks_1d",
        "clicks_7d",
        "clicks_30d",
    )


def test_dropping_a_feature_needs_permission(registry: Registry) -> None:
    registry.apply(*shop())
    ads = user_ads(windows=("7d",))
    plan = registry.plan(*project(ads, ctr_model(ads)))
    assert kinds_of_change(plan) == {"view:user_ads@1": DroppedFeatures}
    assert plan.destructive[0].dropped == ("clicks_1d",)
    with pytest.raises(DestructiveChangeError, match="clicks_1d"):
        registry.apply(plan)
    assert registry.counter() == 1
    registry.apply(plan, allow_destructive=True)
    with pytest.raises(UnknownNameError, match="clicks_1d"):
        registry.feature("user_ads:clicks_1d")


def test_a_feature_that_a_service_names_cannot_be_dropped(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": "", "b": ""}), naming("service", "model", "1", "view:ads@1")])
    documents = [view("ads", "1", {"a": ""}), naming("service", "model", "1", "view:ads@1")]
    plan = registry.plan(documents)
    assert [each.refusal for each in plan.refused] == [
        "service model@1 still names it: bump or remove that first"
    ]
    with pytest.raises(DefinitionError, match="service model@1 still names it"):
        registry.apply(plan, allow_destructive=True)
    bumped = [documents[0], naming("service", "model", "2", "view:ads@1:a")]
    registry.apply(bumped, allow_destructive=True)
    assert registry.get("service", "model").members == ("ads@1:a",)


@pytest.mark.parametrize(
    "changed",
    [
        user_ads(where="event = 'tap'"),
        user_ads(source=interactions(price="decimal(12,4)")),
        user_ads(where="event = 'tap'", windows=("1d", "7d", "30d"), owner="x"),
    ],
    ids=["feature", "source", "with others"],
)
def test_other_values_under_the_same_version_are_refused(
    registry: Registry, changed: hr.AggregateView
) -> None:
    registry.apply(*shop())
    plan = registry.plan(*project(changed, ctr_model(changed)))
    assert kinds_of_change(plan)["view:user_ads@1"] is SemanticChange
    assert plan.refused[0].refusal == ('a version means one thing for ever: bump user_ads to 2 (version="2")')
    with pytest.raises(DefinitionError, match='version="2"'):
        registry.apply(plan, allow_destructive=True)
    assert registry.counter() == 1


def test_the_refusal_names_what_changed(registry: Registry) -> None:
    registry.apply(*shop())
    tapped = user_ads(where="event = 'tap'")
    (refused,) = registry.plan(*project(tapped, ctr_model(tapped))).refused
    assert "changes values of clicks_1d, clicks_7d, ctr_7d;" in refused.consequence
    cheap = user_ads(source=interactions(price="decimal(12,4)"))
    (refused,) = registry.plan(*project(cheap, ctr_model(cheap))).refused
    assert "changes values of source ad_interactions;" in refused.consequence


def test_a_new_version_leaves_the_old_one_readable(registry: Registry) -> None:
    registry.apply(*shop())
    second = user_ads("2", where="event = 'tap'", source=interactions(price="decimal(12,4)"))
    plan = registry.plan(*project(second, ctr_model(second, "2")))
    assert kinds_of_change(plan) == {
        "source:ad_interactions@2": Added,  # it has no version of its own: the registry counts
        "view:user_ads@2": Added,
        "service:ctr_model@2": Added,
        "source:ad_interactions@1": Retired,
        "view:user_ads@1": Retired,
        "service:ctr_model@1": Retired,
    }
    assert not plan.destructive
    registry.apply(plan)
    assert registry.get("view", "user_ads").version == "2"
    first = registry.definition("view", "user_ads", "1")
    assert isinstance(first, hr.AggregateView)
    assert str(first.source.schema["price"]) == "double"  # type: ignore[index]
    assert first.features[0].where == "event = 'click'"
    second_read = registry.definition("view", "user_ads")
    assert isinstance(second_read, hr.AggregateView)
    assert str(second_read.source.schema["price"]) == "decimal(12,4)"  # type: ignore[index]


def test_what_goes_on_with_an_older_version_is_noted(registry: Registry) -> None:
    registry.apply(*shop())
    second = user_ads("2", where="event = 'tap'")
    plan = registry.plan(*project(second, ctr_model(second, "2")))
    assert plan.notes == (
        "on_demand weighted_bid@1 stays with user_ads@1; bump it to take what is active now.",
    )
    registry.apply(plan)
    assert registry.get("on_demand", "weighted_bid").members == ("user_ads@1:clicks_7d",)


def test_removing_needs_permission_and_leaves_history(registry: Registry) -> None:
    registry.apply(*shop())
    plan = registry.plan(*project(user()))
    assert kinds_of_change(plan) == {
        "service:ctr_model@1": Removed,
        "on_demand:weighted_bid@1": Removed,
        "view:user_ads@1": Removed,
        "source:ad_interactions@1": Removed,
    }
    assert plan.stops == (Key("view", "user_ads", "1"),)
    with pytest.raises(DestructiveChangeError, match="the values of its 5 features are lost"):
        registry.apply(plan)
    registry.apply(plan, allow_destructive=True)
    assert [str(each.key) for each in registry.list()] == ["user@1"]
    with pytest.raises(UnknownNameError, match="was removed"):
        registry.get("view", "user_ads")
    assert registry.get("view", "user_ads", "1").content.feature_names
    assert [each.change for each in registry.history("view", "user_ads")] == ["added"]


def test_a_removed_definition_comes_back_as_it_was_or_not_at_all(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": "x", "b": ""})])
    registry.apply([], allow_destructive=True)
    plan = registry.plan([view("ads", "1", {"a": "y"})])
    assert [type(each) for each in plan.changes] == [SemanticChange]
    plan = registry.plan([view("ads", "1", {"a": "x", "c": ""})])
    assert [type(each) for each in plan.changes] == [Restored]
    assert plan.backfill == {Key("view", "ads", "1"): ("a", "c")}
    assert not plan.destructive
    registry.apply(plan)
    assert registry.get("view", "ads").content.feature_names == ("a", "c")


def test_what_something_else_names_cannot_be_left_out(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""}), naming("service", "model", "1", "view:ads@1")])
    with pytest.raises(UnknownNameError, match=r"service 'model': There is no view named 'ads'"):
        registry.plan([naming("service", "model", "1", "view:ads@1")])


def test_a_version_chosen_by_hand_protects_what_it_names(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""}), naming("service", "model", "1", "view:ads@1")])
    registry.apply(
        [
            view("ads", "1", {"a": ""}),
            view("new", "1", {"a": ""}),
            naming("service", "model", "2", "view:new"),
        ]
    )
    registry.rollback("service", "model")
    plan = registry.plan([view("new", "1", {"a": ""}), naming("service", "model", "2", "view:new")])
    assert [(str(each.key), type(each), bool(each.refusal)) for each in plan.refused] == [
        ("ads@1", Removed, True)
    ]


def test_a_partial_apply_leaves_other_names_alone(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""}), source("events")])
    plan = registry.plan([naming("service", "model", "1", "view:ads:a")], partial=True)
    assert [(str(each.key), type(each)) for each in plan.changes] == [("model@1", Added)]
    registry.apply(plan)
    assert {str(each.key) for each in registry.list()} == {"ads@1", "events@1", "model@1"}


def test_a_partial_apply_of_a_new_version_leaves_the_old_one_declared(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": ""})])
    registry.apply([view("ads", "2", {"a": "x"})], partial=True)
    assert {str(each.key) for each in registry.list_live_views()} == {"ads@1", "ads@2"}
    assert registry.get("view", "ads").version == "2"


def test_a_partial_apply_of_a_source_tells_what_stays_with_the_old_one(registry: Registry) -> None:
    registry.apply(
        [
            source("events"),
            source("profiles"),
            naming("view", "ads", "1", "source:events"),
            naming("view", "people", "1", "source:profiles"),
            naming("on_demand", "ratio", "1", "view:ads"),
            naming("service", "model", "1", "view:ads@1"),
        ]
    )
    changed = source("events", "another")
    plan = registry.plan([changed], partial=True)
    stays = "view ads@1 stays with events@1; bump it to take what is active now."
    assert plan.notes == (stays,)
    assert stays in str(plan)
    assert plan.to_dict()["notes"] == [stays]
    assert registry.apply(plan).plan.notes == (stays,)
    assert registry.get("view", "ads").pins == (Key("source", "events", "1"),)

    assert registry.plan([changed], partial=True).notes == ()
    assert registry.plan([source("events", "another", owner="me")], partial=True).notes == ()
    again = registry.plan([source("events", "a third")], partial=True)
    assert again.notes == (stays,)

    bumped = naming("view", "ads", "2", "source:events")
    both = registry.plan([changed, bumped], partial=True)
    assert both.notes == ("on_demand ratio@1 stays with ads@1; bump it to take what is active now.",)
    registry.apply(both)
    assert registry.plan([source("events", "a third")], partial=True).notes == (
        "view ads@2 stays with events@2; bump it to take what is active now.",
    )


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([view("ads", "1", {"a": ""}), view("ads", "1", {"b": ""})], "view ads@1 is defined twice"),
        ([source("ads"), source("ads")], "source ads is defined twice"),
        (
            [naming("on_demand", "a", "1", "on_demand:b"), naming("on_demand", "b", "1", "on_demand:a")],
            "in a circle: a -> b -> a",
        ),
        ([naming("on_demand", "a", "1", "on_demand:a")], "in a circle: a -> a"),
    ],
)
def test_definitions_that_cannot_stand_together(registry: Registry, documents: list, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        registry.plan(documents)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("view:asd", r"service 'model': There is no view named 'asd'.*Did you mean 'ads'"),
        ("view:ads@3", r"There is no version of view 'ads' named '3'"),
        ("view:ads:clics", r"There is no feature named 'clics'.*Did you mean 'clicks'"),
        ("entity:ads", r"There is no entity named 'ads'.*There is no entity yet"),
    ],
)
def test_references_to_what_is_not_there(registry: Registry, reference: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        registry.plan([view("ads", "1", {"clicks": ""}), naming("service", "model", "1", reference)])


def test_a_long_chain_of_definitions_is_no_trouble(registry: Registry) -> None:
    chain = [naming("on_demand", f"f{n}", "1", f"on_demand:f{n + 1}") for n in range(1_200)]
    registry.apply([*chain, naming("on_demand", "f1200", "1")])
    names = [each.name for each in registry.dependency_order()]
    assert names == [f"f{n}" for n in range(1_200, -1, -1)]


def test_a_service_keeps_the_versions_it_was_applied_with(registry: Registry) -> None:
    service = naming("service", "model", "1", "view:ads:a", "view:ads:b")
    registry.apply([view("ads", "1", {"a": "", "b": ""}), service])
    registry.apply([view("ads", "2", {"a": "x", "b": ""}), service])
    assert registry.get("service", "model").members == ("ads@1:a", "ads@1:b")
    assert {str(each.key) for each in registry.list_live_views()} == {"ads@1", "ads@2"}
    registry.apply([view("ads", "2", {"a": "x", "b": ""}), naming("service", "model", "2", "view:ads:a")])
    assert registry.get("service", "model").members == ("ads@2:a",)
    assert {str(each.key) for each in registry.list_live_views()} == {"ads@2"}


def test_a_service_of_a_whole_view_keeps_the_features_it_had(registry: Registry) -> None:
    service = naming("service", "model", "1", "view:ads")
    registry.apply([view("ads", "1", {"a": "", "b": ""}), service])
    registry.apply([view("ads", "1", {"a": "", "b": "", "c": ""}), service])
    assert registry.get("service", "model").members == ("ads@1:a", "ads@1:b")


def test_both_versions_of_a_service_keep_their_views_alive(registry: Registry) -> None:
    documents = [
        view("ads", "1", {"a": ""}),
        view("ads", "2", {"a": "x"}),
        naming("service", "model", "1", "view:ads@1:a"),
        naming("service", "model", "2", "view:ads@2:a"),
    ]
    registry.apply(documents)
    assert registry.get("service", "model").version == "2"
    assert {str(each.key) for each in registry.list_live_views()} == {"ads@1", "ads@2"}
    plan = registry.plan(documents[1:2] + documents[3:])
    assert plan.stops == (Key("view", "ads", "1"),)


def test_a_plan_is_outdated_once_the_registry_changed(registry: Registry) -> None:
    plan = registry.plan(*shop())
    unchanged = registry.plan([])
    registry.apply([source("other")])
    for old in (plan, unchanged):
        with pytest.raises(ConflictError, match="ana: add source other@1") as caught:
            registry.apply(old)
        assert caught.value.asked == "0"
    assert {each.name for each in registry.list()} == {"other"}


def test_a_plan_can_be_printed_and_sent(registry: Registry) -> None:
    registry.apply([view("ads", "1", {"a": "", "b": ""})])
    plan = registry.plan([view("ads", "1", {"a": ""}), source("events")])
    assert plan.rows() == [
        ("-", "view", "ads@1", "dropped", "the values of b are lost"),
        ("+", "source", "events@1", "added", "new"),
    ]
    assert all(len(row) == len(HEADER) for row in plan.rows(unchanged=True))
    assert str(plan).splitlines()[0] == "-  view    ads@1     dropped  the values of b are lost"
    sent = json.loads(json.dumps(plan.to_dict()))
    assert sent["destructive"]
    assert sent["counter"] == 1
    assert sent["changes"][0] == {
        "change": "dropped",
        "kind": "view",
        "name": "ads",
        "version": "1",
        "why": "the values of b are lost",
        "fields": ["features"],
        "added": [],
        "dropped": ["b"],
        "backfill": [],
        "destructive": True,
        "refusal": "",
    }
    assert plan == registry.plan([view("ads", "1", {"a": ""}), source("events")])


def test_what_is_told_of_features_stays_when_it_is_left_out(registry: Registry) -> None:
    documents, features = shop()
    registry.apply(documents, features)
    assert registry.plan(documents).is_empty
    assert registry.plan(documents, features[1:]).is_empty


def test_a_definition_that_is_not_active_keeps_nothing_alive(registry: Registry) -> None:
    off = hr.AggregateView(
        "off", entity=user(), source=interactions(), features=user_ads().features, is_active=False
    )
    registry.apply(*project(off))
    assert registry.list_live_views() == []
    assert not registry.feature("off:ctr_7d").is_active
    registry.apply(
        *project(off, ctr_model(user_ads()), hr.FeatureService("reads_it", features=[off["ctr_7d"]]))
    )
    assert {each.name for each in registry.list_live_views()} == {"off", "user_ads"}
    assert weighted_bid.name in {each.name for each in registry.dependency_order()}
