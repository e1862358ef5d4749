"""A small model for the demo's question, with the features of the store and without them.

Both are the same logistic regression over what is known of the campaign, the date and the survey; one also
sees the ten features over windows. The point is not the model but what the features add.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from headrace.demo.coupon_spine import split

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
    Vector = np.ndarray[tuple[int], np.dtype[Any]]

__all__ = ["WINDOWED", "Fit", "Trial", "can_fit", "without_and_with"]

WINDOWED = (
    "trips_30d", "spend_30d", "spend_90d", "coupon_lines_90d", "categories_90d", "departments_30d",
    "saved_90d", "since_shopping", "redemptions_90d", "redemption_rate",
)  # fmt: skip
DAY, NEVER_SHOPPED = 86_400.0, 365.0
"""A day in seconds; the days that `since_shopping` counts as where a household never shopped."""
AGES = {"19-24": 22, "25-34": 30, "35-44": 40, "45-54": 50, "55-64": 60, "65+": 70}
FEWEST = 5
"""With fewer redemptions than this in training or test rows, no figure would mean anything."""


class Fit(NamedTuple):
    """How well a model does on the test rows.

    Attributes:
        columns: How many columns it sees.
        auc: Of the pairs of a redeemed row and another, the share in which the redeemed one scores higher.
        log_loss: Mean negative log likelihood.
    """

    columns: int
    auc: float
    log_loss: float


class Trial(NamedTuple):
    """The same model twice.

    Attributes:
        train: Training rows, and how many of them were redeemed.
        test: Test rows, and how many of them were redeemed.
        without: The model that sees campaign, date and survey.
        with_features: The model that sees the windowed features too.
    """

    train: tuple[int, int]
    test: tuple[int, int]
    without: Fit | None
    with_features: Fit | None


def can_fit() -> bool:
    """Whether scikit-learn is installed."""
    return importlib.util.find_spec("sklearn") is not None


def without_and_with(rows: pa.Table) -> Trial:
    """Fit and test the model without the features and with them.

    Args:
        rows: The coupon spine with the columns of service `coupon_model@1` and the label `redeemed`.

    Returns:
        Sizes and figures; no figures where training or test rows have too few redemptions.
    """
    train, test = split(rows)
    sizes = [(each.num_rows, int(pc.sum(each["redeemed"]).as_py() or 0)) for each in (train, test)]
    if min(redeemed for _, redeemed in sizes) < FEWEST:
        return Trial(sizes[0], sizes[1], None, None)
    return Trial(sizes[0], sizes[1], _fit(train, test, _known), _fit(train, test, _known_and_windowed))


def _fit(train: pa.Table, test: pa.Table, columns: Callable[[pa.Table], Matrix]) -> Fit:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.05, max_iter=2_000),
    )
    seen, expected = columns(train), test["redeemed"].to_numpy()
    scores = model.fit(seen, train["redeemed"].to_numpy()).predict_proba(columns(test))[:, 1]
    return Fit(seen.shape[1], float(roc_auc_score(expected, scores)), float(log_loss(expected, scores)))


def _known_and_windowed(rows: pa.Table) -> Matrix:
    """The ten features besides; counts and sums have long tails, so the model sees log(1 + x)."""
    columns = {name: _numbers(rows[name]) for name in WINDOWED}
    columns["since_shopping"] = np.nan_to_num(columns["since_shopping"] / DAY, nan=NEVER_SHOPPED)
    windowed: Matrix = np.log1p(np.column_stack(list(columns.values())))
    return np.hstack([_known(rows), windowed])


def _known(rows: pa.Table) -> Matrix:
    """Campaign, date and survey, n rows; what the survey does not say is NaN."""
    columns = [_is(rows["campaign_type"], f"Type {letter}") for letter in "ABC"]
    when = rows["ts"]
    columns += [_numbers(each) for each in (rows["campaign_days"], pc.month(when), pc.day_of_week(when))]
    ages = [None if band is None else AGES.get(band) for band in rows["age"].to_pylist()]
    columns += [
        _numbers(rows["income_dollars"]),
        np.array(ages, dtype=np.float64),
        _first_digits(rows["household_size"]),
        _first_digits(rows["kids_count"]),
        pc.is_valid(rows["age"]).to_numpy().astype(np.float64),
        _is(rows["home_ownership"], "Homeowner"),
        _is(rows["marital_status"], "Married"),
    ]
    return np.column_stack(columns)


def _numbers(values: pa.ChunkedArray) -> Vector:
    """Numbers as doubles, null as NaN."""
    return np.asarray(values.cast("double").to_numpy(zero_copy_only=False), dtype=np.float64)


def _is(values: pa.ChunkedArray, text: str) -> Vector:
    """1 where the value is the text, 0 elsewhere."""
    return np.asarray(pc.fill_null(pc.equal(values, text), False).to_numpy(), dtype=np.float64)  # noqa: FBT003


def _first_digits(values: pa.ChunkedArray) -> Vector:
    """The number a text such as `5+` begins with; NaN where there is none."""
    found = pc.struct_field(pc.extract_regex(values, r"^(?P<number>\d+)"), "number")
    return _numbers(found)
