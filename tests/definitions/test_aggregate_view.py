from __future__ import annotations

import pytest

import headrace as hr
from headrace import agg
from headrace.errors import DefinitionError, UnknownNameError
from headrace.schema import DOUBLE, INT64, STRING, TIMESTAMP, Schema, Type
from headrace.windows import Lifetime
from tests.definitions.refusals import refused
from tests.definitions.samples import SCHEMA, entity, events, table, user, view

TYPES = Schema(SCHEMA)


def test_features_are_named_by_aggregation_and_window() -> None:
    made = view(
        agg.count(
            "n",
            windows=["7d", "all", hr.window("7d", offset="7d"), hr.series("1d", n=7), hr.calendar("week", 2)],
        ),
        agg.sum("spend", "price", windows=["1h"], suffix=False),
        agg.decayed_sum("value", "price", half_life="14d"),
        agg.recency("since"),
        agg.last_k("recent", "ad_id", k=3, windows=["7d"], timestamps=True),
    )
    expected = (
        "n_7d", "n_all", "n_7d_offset_7d", "n_7x1d", "n_cal_1w_offset_2", "spend", "value", "since",
        "recent_7d", "recent_7d__ts",
    )  # fmt: skip
    assert made.feature_names == expected
    assert tuple(each.name for each in made.outputs(TYPES)) == expected


def test_each_feature_tells_everything_about_itself() -> None:
    made = view(
        agg.count("clicks", where="event = 'click'", windows=["7d"]),
        agg.count("impressions", windows=["7d"]),
        agg.rate(
            "ctr",
            numerator="clicks",
            denominator="impressions",
            prior=(1, 50),
            windows=["7d"],
            description="smoothed click rate",
            tags=["rate"],
            owner="me",
            rules=[hr.rules.range(min=0, max=1)],
        ),
        version="2",
        update_frequency="real_time",
        owner="ads",
        tags=["user", "rate"],
        description="what a user did",
        is_active=False,
    )
    clicks, _, ctr = made.outputs(TYPES)
    assert clicks.reference == "user_ads@2:clicks_7d"
    assert (clicks.view, clicks.version, clicks.stem, clicks.entity, clicks.source) == (
        "user_ads", "2", "clicks", "user", "ads",
    )  # fmt: skip
    assert clicks.window == hr.window("7d")
    assert (clicks.type, clicks.feature_type) == (INT64, "numerical")
    assert clicks.logic == "count of rows where event = 'click' over the last 7d (1h hop)"
    assert (clicks.description, clicks.owner, clicks.tags) == ("what a user did", "ads", ("user", "rate"))
    assert (clicks.update_frequency, clicks.is_active) == ("real_time", False)
    assert clicks.aggregation is made.features[0]
    assert clicks.written == made.features[0].written
    assert clicks.dependencies == ("ads",)
    assert (ctr.description, ctr.owner, ctr.tags) == ("smoothed click rate", "me", ("user", "rate"))
    assert ctr.rules == (hr.rules.range(min=0, max=1),)
    assert ctr.dependencies == ("ads", "user_ads:clicks", "user_ads:impressions")


@pytest.mark.parametrize(
    ("aggregation", "logic"),
    [
        (agg.count("a", by="ad_id", windows=["1d"]), "count of rows by ad_id over the last 1d (1h hop)"),
        (
            agg.sum("a", "price", by="ad_id", windows=["1d"]),
            "sum of price by ad_id over the last 1d (1h hop)",
        ),
        (agg.sum("a", "price", windows=["all"]), "sum of price over all time"),
        (
            agg.decayed_sum("a", "price", half_life="14d"),
            "decayed sum of price (half_life = 14d) over all time",
        ),
        (
            agg.last_k("a", "ad_id", k=3, windows=["30d"]),
            "last k of ad_id (k = 3) over the last 30d (1d hop)",
        ),
        (agg.recency("a", where="vip"), "recency of rows where vip over all time"),
        (
            agg.max("a", "price", windows=[hr.window("7d", offset="7d")]),
            "max of price over the 7d that ended 7d ago (1h hop)",
        ),
        (
            agg.mean("a", "price", windows=[hr.series("1d", n=7)]),
            "mean of price over each of the last 7 spans of 1d (1h hop)",
        ),
        (
            agg.count("a", windows=[hr.calendar("week")]),
            "count of rows over the running week (Europe/Berlin)",
        ),
        (
            agg.count("a", windows=[hr.calendar("day", 1)]),
            "count of rows over the last complete day (Europe/Berlin)",
        ),
        (
            agg.count("a", windows=[hr.calendar("month", 3)]),
            "count of rows over the complete month number 3 before the running month (Europe/Berlin)",
        ),
    ],
)
def test_the_logic_is_readable(aggregation: agg.Aggregation, logic: str) -> None:
    (feature,) = view(aggregation, timezone="Europe/Berlin").outputs(TYPES)
    assert feature.logic == logic


def test_a_rate_tells_its_counts_and_prior() -> None:
    ctr = view().outputs(TYPES)[4]
    assert ctr.logic == "rate of clicks / impressions (prior = (1, 50)) over the last 7d (1h hop)"


def test_values_types_and_companions() -> None:
    made = view(
        agg.last_k("recent", "ad_id", k=3, windows=["7d"], timestamps=True, rules=[hr.rules.not_null()]),
        agg.mean("paid", "price", windows=[hr.series("1d", n=7)]),
        agg.recency("since"),
        agg.last("vip", "vip", windows=["7d"]),
        agg.last("ad", "ad_id", windows=["7d"]),
        agg.max("group", "age", windows=["7d"], type="categorical"),
    )
    recent, times, paid, since, vip, ad, group = made.outputs(TYPES)
    assert recent.type == Type("list", items=(STRING,))
    assert (times.type, times.companion, times.stem) == (Type("list", items=(TIMESTAMP,)), "ts", "recent")
    assert times.rules == ()
    assert times.logic == f"ts of {recent.logic}"
    assert paid.type == Type("list", items=(DOUBLE,))
    assert since.window == Lifetime()
    assert [each.feature_type for each in (recent, times, paid, since)] == [
        "list",
        "list",
        "list",
        "numerical",
    ]
    assert [each.feature_type for each in (vip, ad, group)] == ["binary", "categorical", "categorical"]


def test_some_features_are_selected_by_name() -> None:
    made = view()
    assert made["ctr_7d", "clicks_1h"].features == ("ctr_7d", "clicks_1h")
    assert made["recent_7d__ts"].features == ("recent_7d__ts",)
    assert made["ctr_7d"].view is made


def test_an_unknown_feature_offers_the_nearest() -> None:
    made = view()
    error = refused_in_samples(lambda: made["ctr_1d"], "There is no feature named 'ctr_1d'", UnknownNameError)
    assert error.available[0] == "ctr_7d"


def refused_in_samples(
    make: object, says: str, raises: type[hr.errors.HeadraceError]
) -> hr.errors.HeadraceError:
    with pytest.raises(raises, match=r"^\S+\.py:\d+: ") as caught:
        make()  # type: ignore[operator]
    assert says in str(caught.value)
    return caught.value


def test_a_view_is_not_walked_through() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(view())
    for names in ((), 0, ("ctr_7d", "ctr_7d")):
        with pytest.raises(DefinitionError):
            view()[names]  # type: ignore[index]


def one(*features: agg.Aggregation, **changes: object) -> hr.AggregateView:
    return view(*features, **changes)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: agg.count("n", windows=["11s"]), "'11s' is under 12 seconds"),
        (
            lambda: one(agg.count("n", windows=["7d"]), agg.sum("n", "price", windows=["1h"])),
            "another feature of that name",
        ),
        (
            lambda: one(agg.count("n", windows=["7d"]), agg.count("n_7d", windows=["1h"], suffix=False)),
            "its feature 'n_7d' would have the name of a feature of aggregation 'n'",
        ),
        (
            lambda: one(agg.count("user_id", windows=["7d"], suffix=False)),
            "the name of the join key 'user_id'",
        ),
        (lambda: one(agg.sum("n", "prise", windows=["7d"])), "there is no column 'prise' in its source"),
        (
            lambda: one(agg.sum("n", "event", windows=["7d"])),
            "needs a number, and column 'event' is a string",
        ),
        (lambda: one(agg.count("n", by="interests", windows=["7d"])), "a list<string>, not a scalar"),
        (
            lambda: one(
                agg.rate("r", numerator="clicks", denominator="n", windows=["7d"]),
                agg.count("n", windows=["7d"]),
            ),
            "it refers to 'clicks', which view 'user_ads' does not have",
        ),
        (
            lambda: one(
                agg.rate("r", numerator="n", denominator="n", windows=["7d"]),
                agg.sum("n", "age", windows=["7d"]),
            ),
            "there is no count named 'n'",
        ),
        (lambda: one(agg.count("n", windows=["7d"], type="number")), "'number' is not a feature type"),
        (lambda: one(agg.count("n", windows=["7d"], rules=[hr.rules.not_null("n")])), "names a column"),
        (lambda: one(agg.count("n", windows=["7d"], rules=["x"])), "'x' is not a rule"),
    ],
)
def test_a_wrong_aggregation_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused(make, says)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: view(features=[]), "it has no features"),
        (lambda: view(features=["clicks"]), "'clicks' is not an aggregation"),
        (lambda: view(features=agg.count("n", windows=["7d"])), "features is a list of aggregations"),
        (lambda: view(entity="user"), "entity is an hr.Entity"),
        (lambda: view(source="ads"), "source is an hr.EventSource or hr.TableSource"),
        (lambda: view(source=table()), "'profiles' is a table source"),
        (lambda: view(update_frequency="monthly"), "'monthly' is not an update_frequency"),
        (lambda: view(timezone="Europe/Berln"), "'Europe/Berln' is not an IANA time zone"),
        (lambda: view(timezone="../etc/passwd"), "is not an IANA time zone"),
        (lambda: view(timezone=3), "3 is not an IANA time zone"),
        (lambda: view(version="2 beta"), "'2 beta' cannot be a version"),
        (lambda: view(version=2), "2 cannot be a version"),
        (lambda: view(version="v2"), 'Write version="2"'),
        (lambda: view(version="x" * 33), "cannot be a version"),
        (lambda: view(is_active=1), "is_active is True or False"),
        (
            lambda: view(entity=entity(join_keys=["household"])),
            "'household' is not in the schema of source 'ads'",
        ),
        (
            lambda: view(entity=entity(join_keys={"user_id": "int"})),
            "is of type int64, but string in 'ads'",
        ),
        (
            lambda: view(entity=entity(join_keys=["hour"]), source=events(columns={"hour": "1"})),
            "'hour' is a derived column",
        ),
    ],
)
def test_a_wrong_view_is_refused_naming_file_and_line(make: object, says: str) -> None:
    refused_in_samples(make, says, DefinitionError)


def test_the_nearest_time_zone_is_offered() -> None:
    error = refused_in_samples(lambda: view(timezone="Europe/Berln"), "Europe/Berlin", DefinitionError)
    assert error.available[0] == "Europe/Berlin"


def test_columns_that_are_not_known_yet_are_left_to_the_plan() -> None:
    unread = hr.EventSource("ads", batch="ads.parquet", timestamp="ts")
    made = hr.AggregateView("v", entity=user, source=unread, features=[agg.sum("n", "prise", windows=["7d"])])
    assert made.feature_names == ("n_7d",)
    with pytest.raises(
        DefinitionError, match=r"test_aggregate_view.py:\d+: aggregation 'n': there is no column 'prise'"
    ):
        made.outputs(TYPES)


def test_derived_columns_are_left_to_the_plan() -> None:
    derived = events(columns={"hour": "date_part('hour', ts)"})
    made = view(agg.max("latest", "hour", windows=["7d"]), source=derived)
    with pytest.raises(DefinitionError, match="there is no column 'hour'"):
        made.outputs(TYPES)
    (feature,) = made.outputs({**TYPES, "hour": INT64})
    assert feature.type == INT64
    assert feature.dependencies == ("ads", "ads.hour")
