from __future__ import annotations

import pytest

import headrace as hr
from headrace import agg
from headrace.errors import DefinitionError
from tests.definitions.refusals import refused
from tests.definitions.samples import latest, view

ads, profile = view(), latest()


@hr.on_demand(inputs={"age": "profile:age"}, request={"bid": "double"})
def score(age: int, bid: float) -> float:
    return age * bid


def test_members_are_pinned_one_by_one_in_order() -> None:
    service = hr.FeatureService("ctr_model", features=[ads["ctr_7d", "clicks_1h"], profile, score])
    assert [str(each) for each in service.references] == [
        "user_ads@1:ctr_7d", "user_ads@1:clicks_1h", "profile@1:age", "profile@1:interests", "score@1",
    ]  # fmt: skip
    assert service.output_names() == ("ctr_7d", "clicks_1h", "age", "interests", "score")
    assert service.output_names(full=True)[0] == "user_ads__ctr_7d"
    assert service.output_names(full=True)[-1] == "score"


def test_a_bare_view_is_all_its_features_companions_included() -> None:
    service = hr.FeatureService("s", features=[ads])
    assert service.output_names() == ads.feature_names
    assert "recent_7d__ts" in ads.feature_names


def test_neighbouring_selections_of_one_view_are_one() -> None:
    apart = hr.FeatureService("s", features=[ads["ctr_7d"], ads["clicks_1h"], profile])
    assert apart == hr.FeatureService("s", features=[ads["ctr_7d", "clicks_1h"], profile])


def test_colliding_outputs_need_full_names() -> None:
    other = latest("age", name="other")
    service = hr.FeatureService("s", features=[profile, other])
    with pytest.raises(
        DefinitionError, match=r"test_service.py:\d+: service 's': output: profile@1:age and other@1:age"
    ):
        service.output_names()
    assert service.output_names(full=True) == ("profile__age", "profile__interests", "other__age")


def test_a_feature_must_not_have_the_name_of_a_key_or_request_field() -> None:
    pair = hr.Entity("pair", ["user_id", "ad_id"])
    other = view(agg.count("n", windows=["7d"]), name="pairs", entity=pair)
    named = latest("ad_id", name="named")
    with pytest.raises(DefinitionError, match="the column 'ad_id' and named@1:ad_id would both be"):
        hr.FeatureService("s", features=[named, other]).output_names()
    bid = view(agg.count("bid", windows=["7d"], suffix=False), name="bids")
    with pytest.raises(DefinitionError, match="the column 'bid' and bids@1:bid"):
        hr.FeatureService("s", features=[bid, score]).output_names()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.FeatureService("s", features=[]), "it has no features"),
        (lambda: hr.FeatureService("s", features=["ads:ctr_7d"]), "neither a view"),  # type: ignore[list-item]
        (lambda: hr.FeatureService("s", features=ads), "features is a list of views"),  # type: ignore[arg-type]
        (
            lambda: hr.FeatureService("s", features=[ads["ctr_7d"], score, ads["ctr_7d"]]),
            "user_ads@1:ctr_7d is given twice",
        ),
        (lambda: hr.FeatureService("s", features=[ads, ads["ctr_7d"]]), "user_ads@1:ctr_7d is given twice"),
        (lambda: hr.FeatureService("s", features={score}), "features is a list of views"),  # type: ignore[arg-type]
        (lambda: hr.FeatureService("s", features=[score, score]), "score@1 is given twice"),
    ],
)
def test_a_wrong_service_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused(make, says)  # type: ignore[arg-type]
