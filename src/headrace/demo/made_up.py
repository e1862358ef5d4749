"""Made-up households, for machines without the real ones: the same files, of any size, equal for everybody.

Households shop more in some months than in others, and those that shop much redeem more coupons. So features
over the last weeks say something that the survey, made up without regard to anything, does not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from headrace.clock import DAY, HOUR, SECOND, instant
from headrace.demo.households import BEGIN, END, HouseholdFiles
from headrace.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["FEWEST_ROWS", "enough", "write_made_up"]

FEWEST_ROWS = 1_000
ROWS_OF_A_HOUSEHOLD, ROWS_OF_A_BASKET = 120, 4
DAYS = (END - BEGIN) // timedelta(days=1)
MONTH = 30
CAMPAIGNS, BETWEEN_CAMPAIGNS = 25, 14
PRODUCTS = 1_500
DEPARTMENTS = ("GROCERY", "PRODUCE", "MEAT", "DELI", "PASTRY", "DRUG GM", "COSMETICS", "FLORAL")
CATEGORIES = 60
STEP = 7
"""Products of one basket lie so far apart: a number without a common factor with `PRODUCTS`."""

AGES = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOMES = ("Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "250K+")
OWNERSHIP = ("Homeowner", "Renter", None)
MARITAL = ("Married", "Unmarried", None)
SIZES, KIDS = ("1", "2", "3", "4", "5+"), ("0", "1", "2", "3+")
INSTANT = pa.timestamp("us", tz="UTC")


class _Shoppers(NamedTuple):
    """Who the households are.

    Attributes:
        ids: n int64, from 1.
        eager: n doubles, 0 to 1: how readily they use coupons.
        visits: How many baskets on each day, (n, days) int64.
    """

    ids: Array
    eager: Array
    visits: Array


def write_made_up(directory: Path, rows: int, *, seed: int = 2017) -> HouseholdFiles:
    """Write the four Parquet files that `write_households` writes, made up.

    Args:
        directory: Where to; made if missing. Files of the same names are replaced, each in one step.
        rows: Lines of receipts, at least 1,000.
        seed: The same number makes the same files.

    Returns:
        The paths and the counts.

    Raises:
        DataError: There are too few rows for a year.
        StoreError: The directory cannot be written.
    """
    enough(rows)
    draw = np.random.default_rng(seed)
    shoppers = _shoppers(draw, rows)
    touches = _touches(draw, shoppers)
    tables = {
        "transactions": _transactions(draw, shoppers, rows),
        "touches": touches,
        "redemptions": _redemptions(draw, shoppers, touches),
        "demographics": _demographics(draw, shoppers),
    }
    paths = {name: directory / f"{name}.parquet" for name in tables}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            part = paths[name].with_suffix(".part")
            parquet.write_table(table, part, compression="zstd")
            part.replace(paths[name])
    except OSError as error:
        raise StoreError(
            f"{directory} cannot be written: {error}", asked=directory, remedy="Choose another directory."
        ) from error
    counts = {name: table.num_rows for name, table in tables.items()}
    return HouseholdFiles(**paths, rows=counts, households=int(shoppers.visits.any(axis=1).sum()))


def enough(rows: int) -> None:
    """Refuse fewer rows than a year of shopping takes.

    Raises:
        DataError: There are too few.
    """
    if rows < FEWEST_ROWS:
        raise DataError(
            f"{rows} rows are too few for a year of shopping.",
            asked=rows,
            remedy=f"Ask for {FEWEST_ROWS} or more.",
        )


def _shoppers(draw: np.random.Generator, rows: int) -> _Shoppers:
    """Households with busy months and quiet ones; the last day has baskets, to be pushed."""
    n = max(8, rows // ROWS_OF_A_HOUSEHOLD)
    months = -(-DAYS // MONTH)
    mood = np.cumsum(draw.normal(0, 0.7, (n, months)), axis=1)
    weight = np.repeat(np.exp(mood - mood.mean(axis=1, keepdims=True)), MONTH, axis=1)[:, :DAYS]
    weight *= draw.gamma(2.0, 1.0, (n, 1))
    baskets = rows // ROWS_OF_A_BASKET
    today = max(1, baskets // DAYS)
    visits = draw.multinomial(baskets - today, (weight / weight.sum()).ravel()).reshape(n, DAYS)
    visits[:, -1] += np.bincount(draw.integers(0, n, today), minlength=n)
    return _Shoppers(np.arange(1, n + 1), draw.beta(1.2, 6.0, n), visits)


def _transactions(draw: np.random.Generator, shoppers: _Shoppers, rows: int) -> pa.Table:
    place, day = np.nonzero(shoppers.visits)
    times = shoppers.visits[place, day]
    place, day = np.repeat(place, times), np.repeat(day, times)
    seconds = draw.integers(8 * HOUR // SECOND, 21 * HOUR // SECOND, len(day))
    ts = instant(BEGIN) + day * DAY + seconds * SECOND
    by = np.argsort(ts, kind="stable")
    place, ts = place[by], ts[by]
    lines = 1 + draw.multinomial(rows - len(ts), np.full(len(ts), 1 / len(ts)))
    basket = np.repeat(np.arange(len(ts)), lines)
    line = np.arange(rows) - np.repeat(np.cumsum(lines) - lines, lines)
    product = (draw.integers(0, PRODUCTS, len(ts))[basket] + STEP * line) % PRODUCTS
    quantity = draw.integers(1, 4, rows)
    cents = (draw.lognormal(5.6, 0.6, PRODUCTS).astype(np.int64) + 49)[product] * quantity
    with_coupon = draw.random(rows) < 0.1 * shoppers.eager[place[basket]]
    departments = pa.array([*DEPARTMENTS, None])
    department = np.where(product % 97 == 0, len(DEPARTMENTS), product % len(DEPARTMENTS))
    category = pa.array([f"CATEGORY {number:02d}" for number in range(CATEGORIES)])
    columns = {
        "event_id": [f"{one}-{other}" for one, other in zip(basket.tolist(), product.tolist(), strict=True)],
        "household_id": shoppers.ids[place[basket]],
        "ts": pa.array(ts[basket]).cast(INSTANT),
        "basket_id": basket,
        "product_id": product,
        "department": departments.take(pa.array(department)),
        "product_category": category.take(pa.array(product % CATEGORIES)),
        "brand": pa.array(["National", "Private"]).take(pa.array((product % 4 == 0).astype(np.int64))),
        "quantity": quantity,
        "sales_value": _dollars(cents),
        "retail_disc": _dollars(cents * draw.integers(0, 25, rows) // 100),
        "coupon_disc": _dollars(np.where(with_coupon, np.minimum(cents, 100), 0)),
        "coupon_match_disc": _dollars(np.where(with_coupon, cents // 20, 0)),
    }
    return pa.table(columns)


def _touches(draw: np.random.Generator, shoppers: _Shoppers) -> pa.Table:
    """Every two weeks a campaign; those of type A reach most households, others fewer."""
    parts = []
    for number in range(CAMPAIGNS):
        kind = "ACBCB"[number % 5]
        reached = shoppers.ids[draw.random(len(shoppers.ids)) < {"A": 0.7, "B": 0.35, "C": 0.25}[kind]]
        start = instant(BEGIN) + (number * BETWEEN_CAMPAIGNS + 3) * DAY
        days = int(draw.integers(30, 60))
        columns = {
            "event_id": pa.array([f"{number + 1}-{each}" for each in reached.tolist()], pa.string()),
            "household_id": reached,
            "campaign_id": np.full(len(reached), number + 1),
            "campaign_type": pa.array([f"Type {kind}"] * len(reached), pa.string()),
            "campaign_days": np.full(len(reached), days),
            "ts": _instants(np.full(len(reached), start)),
            "ends_at": _instants(np.full(len(reached), start + days * DAY)),
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def _redemptions(draw: np.random.Generator, shoppers: _Shoppers, touches: pa.Table) -> pa.Table:
    """Who shopped much in the month before and likes coupons redeems one or two, within four weeks."""
    place = touches["household_id"].to_numpy() - 1
    day = (touches["ts"].cast(pa.int64()).to_numpy() - instant(BEGIN)) // DAY
    so_far = np.hstack([np.zeros((len(shoppers.ids), 1)), np.cumsum(shoppers.visits, axis=1)])
    lately = so_far[place, day] - so_far[place, np.maximum(day - MONTH, 0)]
    leaning = -5.0 + 1.1 * np.log1p(lately) + 7.0 * shoppers.eager[place]
    times = np.where(draw.random(len(place)) < 1 / (1 + np.exp(-leaning)), draw.integers(1, 3, len(place)), 0)
    touch = np.repeat(np.arange(len(place)), times)
    on = day[touch] + draw.integers(0, 28, len(touch))
    # One more on the last day, which is known only when that day is over: it will be pushed.
    touch, on = np.append(touch, len(place) - 1), np.append(on, DAYS - 1)
    by = np.argsort(on, kind="stable")[np.sort(on) < DAYS]
    touch, ts = touch[by], instant(BEGIN) + on[by] * DAY
    columns = {
        "event_id": [f"r{number}" for number in range(len(ts))],
        "household_id": shoppers.ids[place[touch]],
        "campaign_id": touches["campaign_id"].to_numpy()[touch],
        "coupon_upc": 10_000 + np.arange(len(ts)) % 90,
        "ts": _instants(ts),
        "received_at": _instants(ts + DAY),
    }
    return pa.table(columns)


def _demographics(draw: np.random.Generator, shoppers: _Shoppers) -> pa.Table:
    """A third of the households answered the survey."""
    ids = shoppers.ids[draw.random(len(shoppers.ids)) < 0.33]

    def answers(options: tuple[str | None, ...]) -> pa.Array:
        return pa.array(options, pa.string()).take(pa.array(draw.integers(0, len(options), len(ids))))

    columns: Mapping[str, Any] = {
        "household_id": ids,
        "updated_at": _instants(np.full(len(ids), instant(BEGIN))),
        "age": answers(AGES),
        "income": answers(INCOMES),
        "home_ownership": answers(OWNERSHIP),
        "marital_status": answers(MARITAL),
        "household_size": answers(SIZES),
        "household_comp": answers(("1 Adult Kids", "2 Adults Kids", "2 Adults No Kids")),
        "kids_count": answers(KIDS),
    }
    return pa.table(columns)


def _instants(microseconds: Array) -> pa.Array:
    return pa.array(microseconds, pa.int64()).cast(INSTANT)


def _dollars(cents: Array) -> pa.Array:
    """Cents as decimal(10,2)."""
    hundredth = pa.scalar("0.01").cast(pa.decimal128(3, 2))
    whole = pa.array(cents, pa.int64()).cast(pa.decimal128(19, 0))
    return pc.multiply(whole, hundredth).cast(pa.decimal128(10, 2))
