"""The demo: define, apply, train, load, push, read, and check that online equals offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.demo.before_serving import apply, model, prepare, train
from headrace.demo.made_up import enough
from headrace.demo.parts import HOUSEHOLDS
from headrace.demo.project_files import write_project
from headrace.demo.serving import check, load, push, rank
from headrace.demo.telling import Telling, unwatched
from headrace.project import FeatureStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from headrace.demo.telling import Showing

__all__ = ["tell"]


def tell(
    directory: Path,
    *,
    synthetic: int | None = None,
    households: int | None = None,
    say: Callable[[str], Any] = print,
    watch: Showing = unwatched,
) -> dict[str, Any]:
    """Tell the story, and leave the project behind.

    Args:
        directory: Where the project goes: a new or empty directory, or one that an earlier demo left.
        synthetic: Make up so many lines of receipts instead of reading the real ones.
        households: Keep only so many of the real households; all by default.
        say: Takes the words.
        watch: Shows the progress of long steps.

    Returns:
        The figures, as JSON values.

    Raises:
        ConflictError: The directory holds something else.
        DataError: The data cannot be used.
        StoreError: The directory cannot be written.
    """
    if synthetic is not None:
        enough(synthetic)
    telling = Telling(say, watch)
    begun = telling.seconds_now()
    telling.say("Headrace is a feature store. This is its whole story, from definitions to online reads.")
    write_project(directory)
    files = prepare(telling, directory / "data", synthetic, households)
    with FeatureStore(directory) as store:
        apply(telling, store)
        model(telling, train(telling, store, files, directory))
        load(telling, store)
        push(telling, store, directory / "data")
        check(telling, store, directory / "data")
        rank(telling, store, directory / "data")
    seconds = telling.seconds_now() - begun
    _farewell(telling, directory, seconds)
    return {
        "project": str(directory.resolve()),
        "seconds": round(seconds, 2),
        "steps": telling.steps,
        **telling.figures,
        **_summary(telling.figures),
    }


def _summary(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What the document ends with; the last two are null until there is monitoring."""
    read = sum(each["values"] for each in figures["comparison"].values())
    return {
        "total_features": figures["features"],
        "users_processed": figures["comparison"]["household"]["entities"],
        "features_computed": figures["training"]["values"] + read,
        "drift_detected_features": None,
        "stale_features": None,
    }


def _farewell(telling: Telling, directory: Path, seconds: float) -> None:
    one = f"household_id={telling.figures['household']}"
    telling.say(f"\nDone in {seconds:.0f} seconds. The project is in {directory}; try:")
    telling.lines(
        f"cd {directory}",
        "headrace test",
        "headrace features coupon",
        "headrace show shopping:spend_30d",
        "headrace lineage redemption_rate",
        f"headrace get -s coupon_model -e {one} --as-of {HOUSEHOLDS.as_of}",
        "headrace train data/spine.parquet -s coupon_model -l redeemed --as-of 2017-10-01 -o old.parquet",
        "headrace train --rebuild train.parquet -o again.parquet",
    )
    telling.words("Then change a feature in features.py, and say `headrace plan`.")
