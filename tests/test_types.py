"""Definitions as people write them pass their own `mypy --strict`, and their mistakes do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import headrace
from headrace import agg

SOURCES = Path(headrace.__file__).parents[1]
FEATURES = """
import datetime as dt

import headrace as hr
from headrace import agg

user = hr.Entity("user", join_keys={"user_id": "string"})
clicks = hr.EventSource(
    "clicks",
    batch="clicks.parquet",
    schema={"user_id": "string", "ts": "timestamp", "price": "decimal(12,4)"},
    timestamp="ts",
    event_id="event_id",
    columns={"hour": "date_part('hour', ts)"},
    stream=hr.Push(),
    lateness=dt.timedelta(hours=2),
    rules=[hr.rules.not_null("user_id")],
)
windows = [hr.window("7d", hop="1h"), hr.series("1d", n=7), hr.calendar("day")]
view = hr.AggregateView(
    "user_ads",
    entity=user,
    source=clicks,
    tags=["performance"],
    features=[
        agg.count("clicks", windows=["7d"]),
        agg.count("sales", where="event = 'sale'", windows=["1h", *windows]),
        agg.count("seen", by="ad_id", windows=("1d",), tags=["a", "b"], owner="me"),
        agg.sum("spend", "price", windows="7d", suffix=False, rules=[hr.rules.range(min=0)]),
        agg.mean("mean", "price", windows=windows),
        agg.min("least", "price", windows=["all"]),
        agg.max("most", "price", windows={"all"}),
        agg.variance("variance", "price", windows=["7d"]),
        agg.stddev("stddev", "price", windows=["7d"]),
        agg.first("first", "price", windows=["7d"]),
        agg.last("last", "price", windows=["7d"]),
        agg.last_k("recent", "ad_id", k=20, windows=["30d"]),
        agg.rate("rate", numerator="sales", denominator="clicks", prior=(1, 50), windows=["7d"]),
        agg.decayed_sum("worth", "price", half_life="14d"),
        agg.recency("since", description="seconds"),
        agg.distinct("ads", "ad_id", windows=["7d"], type="numerical"),
    ],
)
profiles = hr.TableSource("profiles", batch="profiles.csv", timestamp="updated_at")
profile = hr.LatestView("profile", entity=user, source=profiles, features=["age"], ttl="365d")


@hr.on_demand(inputs={"clicks": "user_ads:clicks_7d"}, request={"bid": "double"}, output="double")
def worth(clicks: int, bid: float) -> float:
    return clicks * bid


service = hr.FeatureService("model", features=[view["clicks_7d"], profile, worth])
label = hr.Label("sold", source=clicks, touches=clicks, keys=["user_id"], within="7d")
store = hr.FeatureStore(".")
rows = store.get_historical_features([{"user_id": "u"}], service=service).to_arrow()

suffixes: list[str] = [window.suffix for feature in view.features for window in feature.windows]
tags: tuple[str, ...] = view.features[0].tags

# What follows is wrong, and strict checks would find an `ignore` that hides nothing.
agg.count("clicks", windows=[7])  # type: ignore[list-item]
agg.count("clicks", windws=["7d"])  # type: ignore[call-arg]
agg.sum("spend", windows=["7d"])  # type: ignore[call-arg]
agg.sum("spend", 7, windows=["7d"])  # type: ignore[arg-type]
agg.count("clicks", windows=["7d"], tags=[1])  # type: ignore[list-item]
"""


def test_definitions_pass_a_strict_check(tmp_path):
    (tmp_path / "features.py").write_text(FEATURES, encoding="utf-8")
    # What Headrace imports itself is left aside: it is checked with Headrace, and takes most of the time.
    apart = ["--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent", "--no-pretty"]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *apart, "--cache-dir", "cache", "features.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout + ran.stderr == "Success: no issues found in 1 source file\n"


def test_the_package_says_that_it_is_typed():
    assert (SOURCES / "headrace" / "py.typed").is_file()


def test_the_catalogue_names_all_that_it_exports():
    assert set(agg.__all__) == {"CATALOGUE", *agg.CATALOGUE}
