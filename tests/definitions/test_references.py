from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.definitions.references import (
    Reference,
    output_name,
    output_names,
    parse_reference,
    split_full_name,
)
from headrace.errors import DefinitionError
from headrace.testing.definition_parts import names

VERSIONS = st.from_regex(r"[A-Za-z0-9_.-]{1,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("user_ads:ctr_7d", "on_demand", Reference("view", "user_ads", "", "ctr_7d")),
        ("user_ads@2:ctr_7d", "on_demand", Reference("view", "user_ads", "2", "ctr_7d")),
        ("user_ads@v2:ctr_7d", "service", Reference("view", "user_ads", "2", "ctr_7d")),
        ("user_ads@2026-01:recent__ts", "on_demand", Reference("view", "user_ads", "2026-01", "recent__ts")),
        ("ctr_model@1", "service", Reference("service", "ctr_model", "1")),
        ("ctr_model", "service", Reference("service", "ctr_model")),
        ("relevance", "on_demand", Reference("on_demand", "relevance")),
        ("relevance@v10", "on_demand", Reference("on_demand", "relevance", "10")),
        ("relevance@vital", "on_demand", Reference("on_demand", "relevance", "vital")),
    ],
)
def test_references(text: str, kind: str, expected: Reference) -> None:
    assert parse_reference(text, kind) == expected


@pytest.mark.parametrize(
    "text", ["", ":", "a:", ":b", "a@:b", "a@1:", "a b", "a:b:c", "a@1@2", "a:b@1", "a@1 :b", " a", None]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(DefinitionError, match="is not a reference"):
        parse_reference(text)


@given(
    names(),
    st.just("") | VERSIONS.filter(lambda text: not (text[0] == "v" and text[1:].isdigit())),
    st.just("") | names(),
)
def test_the_text_of_a_reference_reads_back(name: str, version: str, feature: str) -> None:
    reference = Reference("view" if feature else "on_demand", name, version, feature)
    assert parse_reference(str(reference)) == reference


@given(names(), st.from_regex(r"[a-z_][a-z0-9_]{0,9}", fullmatch=True))
def test_full_names_split_in_one_way(view: str, feature: str) -> None:
    full = output_name(Reference("view", view, "1", feature), full=True)
    assert full == f"{view}__{feature}"
    assert split_full_name(full) == (view, feature)


def test_an_on_demand_feature_keeps_its_bare_name() -> None:
    assert output_name(Reference("on_demand", "relevance", "1"), full=True) == "relevance"
    assert split_full_name("relevance") == ("", "relevance")


def test_collisions_are_refused_unless_full_names_tell_them_apart() -> None:
    features = [
        Reference("view", "a", "1", "n"),
        Reference("view", "b", "1", "n"),
        Reference("on_demand", "r", "1"),
    ]
    assert output_names(features, full=True) == ("a__n", "b__n", "r")
    with pytest.raises(DefinitionError, match="a@1:n and b@1:n would both be the column 'n'") as caught:
        output_names(features)
    assert "full_feature_names=True" in caught.value.remedy
    with pytest.raises(DefinitionError, match="the column 'r' and r@1 would both be the column 'r'"):
        output_names(features, full=True, keys=["user_id", "r"])


def test_a_feature_named_twice_is_refused_as_that() -> None:
    twice = [
        Reference("view", "a", "1", "n"),
        Reference("view", "b", "1", "m"),
        Reference("view", "a", "1", "n"),
    ]
    for full in (False, True):
        with pytest.raises(DefinitionError, match=r"The feature a@1:n is named twice\. Leave one out\."):
            output_names(twice, full=full)


def test_what_would_not_help_is_not_offered() -> None:
    versions = [Reference("view", "a", "1", "n"), Reference("view", "a", "2", "n")]
    runs = [Reference("on_demand", "r", "1"), Reference("on_demand", "r", "2")]
    for both in (versions, runs):
        for full in (False, True):
            with pytest.raises(DefinitionError, match="ask for each version by itself"):
                output_names(both, full=full)
    bare = [Reference("view", "a", "1", "r"), runs[0]]
    assert output_names(bare, full=True) == ("a__r", "r")
    for either in (bare, bare[::-1]):
        with pytest.raises(DefinitionError, match="full_feature_names=True"):
            output_names(either)
    with pytest.raises(DefinitionError) as caught:
        output_names(runs[:1], keys=["r"])
    assert caught.value.remedy == "Rename one of them."
