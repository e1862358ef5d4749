from __future__ import annotations

import pytest

import headrace as hr
from headrace.clock import DAY
from headrace.errors import DefinitionError
from headrace.schema import Schema
from tests.definitions.samples import SCHEMA, events, latest, table

TYPES = Schema(SCHEMA)


def test_features_are_the_columns() -> None:
    made = latest(
        "age",
        "interests",
        "vector",
        "vip",
        ttl="365d",
        description="who they are",
        descriptions={"age": "years"},
        feature_types={"age": "categorical"},
        rules=[hr.rules.range("age", min=0)],
        owner="ads",
        tags=["user"],
        version="3",
        update_frequency="weekly",
    )
    assert made.ttl == 365 * DAY
    assert made.feature_names == ("age", "interests", "vector", "vip")
    age, interests, vector, vip = made.outputs(TYPES)
    assert age.reference == "profile@3:age"
    assert (age.description, age.feature_type, age.rules) == (
        "years",
        "categorical",
        (hr.rules.range("age", min=0),),
    )
    assert (interests.description, interests.feature_type, interests.rules) == ("who they are", "list", ())
    assert [vector.feature_type, vip.feature_type] == ["embedding", "binary"]
    assert interests.logic == "interests of the newest row while it is at most 365d old"
    assert interests.dependencies == ("profiles", "profiles.interests")
    assert (vip.stem, vip.window, vip.aggregation, vip.owner, vip.tags) == (
        "vip",
        None,
        None,
        "ads",
        ("user",),
    )
    assert (vip.update_frequency, vip.type) == ("weekly", TYPES["vip"])


def test_without_a_ttl_a_row_holds_for_ever() -> None:
    made = latest("age")
    assert made.ttl is None
    assert made.outputs(TYPES)[0].logic == "age of the newest row"


def test_the_latest_event_will_do_too() -> None:
    assert latest("age", source=events()).source == events()


def test_derived_columns_can_be_features() -> None:
    made = latest("old", source=table(columns={"old": "age > 80"}))
    with pytest.raises(DefinitionError, match="has no column 'old'"):
        made.outputs(TYPES)
    assert made.outputs({**TYPES, "old": TYPES["vip"]})[0].feature_type == "binary"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: latest(features=[]), "it has no features"),
        (lambda: latest(features="age"), "features is a list of column names"),
        (lambda: latest("age", "age"), "the feature 'age' is given twice"),
        (lambda: latest("weight"), "source 'profiles' has no column 'weight'"),
        (lambda: latest("age group"), "'age group' cannot be a feature's name"),
        (lambda: latest("__time"), "'__time' cannot be a feature's name"),
        (lambda: latest("user_id"), "'user_id' is the entity's join key"),
        (lambda: latest(ttl="long"), "ttl: 'long' is not a duration"),
        (lambda: latest(ttl="0s"), "ttl is nothing"),
        (lambda: latest(ttl=0), "ttl: 0 is not a duration"),
        (lambda: latest(descriptions={"weight": "kg"}), "speaks of 'weight'"),
        (lambda: latest(descriptions=["age"]), "descriptions maps features to texts"),
        (lambda: latest(feature_types={"age": "number"}), "is not a feature type"),
        (lambda: latest(feature_types={"age": 1}), "is a text, not 1"),
        (lambda: latest(rules=[hr.rules.not_null("weight")]), "speaks of 'weight'"),
        (lambda: latest(rules=["x"]), "'x' is not a rule"),
    ],
)
def test_a_wrong_view_is_refused_naming_file_and_line(make: object, says: str) -> None:
    with pytest.raises(DefinitionError, match=r"^\S+\.py:\d+: view 'profile': ") as caught:
        make()  # type: ignore[operator]
    assert says in str(caught.value)
