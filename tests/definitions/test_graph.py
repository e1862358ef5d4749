from __future__ import annotations

import polars as pl
import pytest

import headrace as hr
from headrace import agg
from headrace.definitions.graph import check_references, gather, in_order
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.references import Reference
from headrace.errors import DefinitionError, UnknownNameError
from tests.definitions.samples import entity, events, latest, view


def computed(name: str, *inputs: str, version: str = "1") -> OnDemandFeature:
    parameters = {f"p{i}": text for i, text in enumerate(inputs)}
    return OnDemandFeature(
        name, inputs=parameters, request={}, output="double", source_hash=name, version=version
    )


def test_what_others_are_made_of_comes_along_and_first() -> None:
    ads, profile = view(), latest()
    score = computed("score", "profile:age")
    service = hr.FeatureService("s", features=[ads["ctr_7d"], score])
    label = hr.Label("l", source=events(name="conversions"), touches=events(name="clicks"), keys=["user_id"])
    found = gather([service, label, profile])
    assert [str(each.reference) for each in found] == [
        *("user", "ads", "conversions", "clicks", "profiles"),
        *("user_ads@1", "profile@1", "score@1", "s@1", "l@1"),
    ]


def test_each_comes_once_also_where_it_is_written_twice_alike() -> None:
    assert gather([entity(), entity(), view()]) == gather([view()])


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (entity(), entity(join_keys=["id"]), "entity 'user': another one of this name is at "),
        (
            view(),
            view(agg.count("n", windows=["1d"])),
            "view 'user_ads': another one of this name and version is at ",
        ),
        (view(), latest(name="user_ads"), "another one of this name and version"),
        (view(), view(entity=entity(description="x")), "entity 'user': another one of this name"),
        (events(batch="a.parquet"), events(batch="b.parquet"), "another one of this name"),
        (events(batch=pl.DataFrame()), events(batch=pl.DataFrame()), "another one of this name"),
        (computed("a"), computed("a", "b"), "another one of this name and version"),
    ],
)
def test_two_of_one_name_must_not_differ(one: object, other: object, says: str) -> None:
    with pytest.raises(DefinitionError, match=r"^\S+\.py:\d+: ") as caught:
        gather([one, other])  # type: ignore[list-item]
    assert says in caught.value.message
    assert ".py:" in caught.value.message.partition(" is at ")[2]


def test_versions_of_one_name_live_side_by_side() -> None:
    both = [view(), view(agg.count("n", windows=["1d"]), version="2")]
    assert [str(each.reference) for each in gather(both)][-2:] == ["user_ads@1", "user_ads@2"]


def test_on_demand_features_come_after_what_they_read() -> None:
    given = [
        computed("c", "b@2", "a"),
        computed("a", "v:x"),
        computed("b", "a", version="2"),
        computed("b", "c", version="1"),
    ]
    assert [str(each.reference) for each in in_order(given)] == ["a@1", "b@2", "c@1", "b@1"]


@pytest.mark.parametrize(
    ("given", "cycle"),
    [
        ([computed("a", "a")], "a@1 -> a@1"),
        (
            [computed("x", "a"), computed("a", "b"), computed("b", "c"), computed("c", "a")],
            "a@1 -> b@1 -> c@1 -> a@1",
        ),
        ([computed("a", "b@2"), computed("b", "a", version="2")], "a@1 -> b@2 -> a@1"),
    ],
)
def test_a_cycle_is_named(given: list[OnDemandFeature], cycle: str) -> None:
    with pytest.raises(
        DefinitionError, match=rf"test_graph.py:\d+: on-demand 'a': .* form a cycle: {cycle}\."
    ):
        gather(given)


def test_inputs_must_exist() -> None:
    check_references(
        [view(), latest(), computed("s", "profile:age", "user_ads@1:recent_7d__ts", "t"), computed("t")]
    )


@pytest.mark.parametrize(
    ("text", "says", "available"),
    [
        ("profil:age", "There is no view named 'profil'", "profile"),
        ("profile:agee", "There is no feature of view 'profile' named 'agee'", "age"),
        ("profile@2:age", "There is no version of view 'profile' named '2'", "1"),
        ("scor", "There is no on-demand feature named 'scor'", "score"),
        ("score@7", "There is no version of on-demand feature 'score' named '7'", "1"),
        ("profile", "There is no on-demand feature named 'profile'", "reader"),
    ],
)
def test_an_unknown_input_offers_the_nearest(text: str, says: str, available: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"test_graph.py:\d+: on-demand 'reader': input 'p0': "
    ) as caught:
        check_references([latest(), computed("score"), computed("reader", text)])
    assert says in caught.value.message
    assert available in caught.value.available


def test_what_the_registry_holds_will_do() -> None:
    registered = {Reference("view", "old", "3"): ["n_7d"], Reference("on_demand", "r", "1"): []}
    check_references([computed("s", "old:n_7d", "old@3:n_7d", "r")], registered)
    with pytest.raises(UnknownNameError, match="There is no feature of view 'old' named 'm_7d'"):
        check_references([computed("s", "old:m_7d")], registered)
