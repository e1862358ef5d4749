from __future__ import annotations

import dataclasses

import pytest

import headrace as hr
from headrace.schema import INT64, STRING
from tests.definitions.refusals import refused


def test_keys_are_a_mapping_of_types() -> None:
    pair = hr.Entity("user_ad", {"user_id": "string", "ad_id": "int"})
    assert list(pair.join_keys.items()) == [("user_id", STRING), ("ad_id", INT64)]


def test_a_list_of_keys_means_strings() -> None:
    assert dict(hr.Entity("user", ["user_id", "country"]).join_keys) == {"user_id": STRING, "country": STRING}


def test_without_keys_there_is_one_global_row() -> None:
    world = hr.Entity("world", None)
    assert dict(world.join_keys) == {}
    assert dataclasses.replace(world, owner="me").join_keys == world.join_keys


def test_the_order_of_composite_keys_is_kept_but_does_not_tell_entities_apart() -> None:
    one, other = hr.Entity("e", {"b": "int", "a": "int"}), hr.Entity("e", {"a": "int", "b": "int"})
    assert list(one.join_keys) == ["b", "a"]
    assert one == other
    assert hash(one) == hash(other)


def test_an_entity_cannot_be_changed() -> None:
    entity = hr.Entity("user", ["user_id"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        entity.name = "other"  # type: ignore[misc]


def test_it_knows_where_it_is_written() -> None:
    entity = hr.Entity("user", ["user_id"])
    assert entity.written.startswith(f"{__file__}:")
    assert entity == hr.Entity("user", ["user_id"])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.Entity("user", []), "join_keys is empty"),
        (lambda: hr.Entity("user", {}), "join_keys is empty"),
        (lambda: hr.Entity("user", ["a", "a"]), "given twice"),
        (lambda: hr.Entity("user", "user_id"), "a mapping or a list of columns, not 'user_id'"),
        (
            lambda: hr.Entity("user", {"user_id": "list<string>"}),
            "of type list<string>, which cannot be a key",
        ),
        (lambda: hr.Entity("user", {"user_id": "double"}), "of type double, which cannot be a key"),
        (lambda: hr.Entity("user", {"user_id": "timestamp"}), "Cast it to one of these"),
        (lambda: hr.Entity("user", {"user_id": "strin"}), "join_keys: 'strin' is not a column type"),
        (lambda: hr.Entity("user", {"__time": "string"}), "'__time' cannot be a join key"),
        (lambda: hr.Entity("user", {"user id": "string"}), "'user id' cannot be a join key"),
        (lambda: hr.Entity("1st", ["a"]), "'1st' cannot be a name"),
        (lambda: hr.Entity("a__b", ["a"]), "'a__b' cannot be a name"),
        (lambda: hr.Entity("a_", ["a"]), "'a_' cannot be a name"),
        (lambda: hr.Entity("", ["a"]), "'' cannot be a name"),
        (lambda: hr.Entity(7, ["a"]), "7 cannot be a name"),  # type: ignore[arg-type]
        (lambda: hr.Entity("user", ["a"], tags=[1]), "tags are words"),  # type: ignore[list-item]
        (lambda: hr.Entity("user", ["a"], owner=None), "owner is a text"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_entity_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused(make, says)  # type: ignore[arg-type]


def test_one_tag_need_not_be_a_list() -> None:
    assert hr.Entity("user", ["a"], tags="user").tags == ("user",)
