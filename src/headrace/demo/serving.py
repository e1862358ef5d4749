"""The second half of the story: load, push, read, and compare online with offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.clock import format_instant
from headrace.demo.comparing import Comparison, compare
from headrace.demo.parts import HOUSEHOLDS, SHOP, Part
from headrace.demo.telling import readable

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from headrace.demo.telling import Progress, Telling
    from headrace.project import FeatureStore

__all__ = ["RANKING", "check", "load", "push", "rank"]

RANKING = "item_ranking@1"
FADING = {"shopping__habit": 1e-9}
"""The one feature that adds doubles, whose last digits depend on the order; by how much it may differ."""
WATCHED = ("shopping:trips_7d", "shopping:spend_7d", "shopping:spend_90d", "shopping:since_shopping")


def load(telling: Telling, store: FeatureStore) -> None:
    """Load everything but the last day."""
    with telling.chapter("Load the online store, up to the last day"):
        telling.words(
            "All events that were known before midnight of the last day go into the online store (LMDB, a "
            "directory of the project). It keeps partial results by hour and day, from which a read makes "
            "features of any later moment."
        )
        loaded = []
        with telling.watch() as progress:
            for part in (HOUSEHOLDS, SHOP):
                loaded += store.materialize(part.end, views=part.views, progress=progress)
        rows = [(each.view, format_instant(each.known), each.events, each.entities) for each in loaded]
        telling.table(("view", "known before", "events", "entities"), rows)
    telling.figures["loads"] = [each.to_dict() for each in loaded]


def push(telling: Telling, store: FeatureStore, data: Path) -> None:
    """Push the last day, and show what it changes for one household."""
    with telling.chapter("Push the last day, as it would come from a stream"):
        household = _busiest(HOUSEHOLDS.last_day(data, HOUSEHOLDS.streams[0]))
        before = _watched(store, household)
        pushed: dict[str, int] = {}
        pushes = 0
        with telling.watch() as progress:
            for part in (HOUSEHOLDS, SHOP):
                for source, rows, share in part.pushes(data):
                    pushed[source] = pushed.get(source, 0) + store.push(source, rows).accepted
                    pushes += 1
                    progress(f"push {part.tag}s", share)
        after = _watched(store, household)
        events = ", ".join(f"{count:,} {source}" for source, count in pushed.items())
        telling.words(
            f"{events}, in {pushes} pushes. Each is durable and visible when it returns. This is what online "
            f"reads say of household {household} at {HOUSEHOLDS.as_of}, before and after:"
        )
        rows = zip(before, readable(before), readable(after), strict=True)
        telling.table(("feature", "before", "after"), rows)
    telling.figures |= {"household": household, "pushed": pushed}


def _busiest(rows: pa.Table) -> int:
    """The household with the most rows; 0, which is none's, without any."""
    counted = rows["household_id"].value_counts().to_pylist()
    first = min(counted, key=lambda each: (-each["counts"], each["values"]), default={"values": 0})
    return int(first["values"])


def _watched(store: FeatureStore, household: int) -> dict[str, Any]:
    asked = {"household_id": [household]}
    found = store.get_online_features(list(WATCHED), asked, as_of=HOUSEHOLDS.as_of).to_dict()
    return {name: value for name, (value,) in found.items() if name != "household_id"}


def check(telling: Telling, store: FeatureStore, data: Path) -> None:
    """Read every feature of every entity online, compute the same from the files, and compare."""
    with telling.chapter("Read online, and compare with the files"):
        telling.words(
            "Now every feature of every entity is read online, and computed once more from the files alone, "
            "as a training set would have it at the same instant. Value and status of each have to be equal."
        )
        found = {}
        for part in (HOUSEHOLDS, SHOP):
            with telling.watch() as progress:
                found[part.tag] = _compared(store, part, data, progress)
        names = ("at", "entities", "features", "values compared", "mismatches")
        rows = [
            (part.as_of, of.entities, of.features, of.values, len(of.differences))
            for part, of in zip((HOUSEHOLDS, SHOP), found.values(), strict=True)
        ]
        telling.table(names, rows)
        mismatches = sum(len(each.differences) for each in found.values())
        telling.words(_verdict(mismatches))
        for each in found.values():
            for row in each.differences[:5]:
                telling.words(f"{row.feature}, entity {row.row}: online {row.online}, offline {row.offline}.")
    telling.figures["comparison"] = {name: _as_json(each) for name, each in found.items()}
    telling.figures["mismatches"] = mismatches


def _compared(store: FeatureStore, part: Part, data: Path, progress: Progress) -> Comparison:
    """Every feature of every entity of a part, on both sides."""
    features = [each.reference for each in store.list_features(tags=[part.tag])]
    entities = part.entities(data)
    online = store.get_online_features(
        features, entities.to_pydict(), as_of=part.as_of, full_feature_names=True
    )
    offline = store.get_historical_features(
        part.spine(entities), features=features, full_feature_names=True, progress=progress
    )
    return compare(online, offline, FADING)


def _verdict(mismatches: int) -> str:
    if mismatches:
        return f"{mismatches:,} values differ. That is a fault of Headrace: please report it."
    return "Online equals offline, for every entity and every feature."


def _as_json(of: Comparison) -> dict[str, Any]:
    return {
        "entities": of.entities,
        "features": of.features,
        "values": of.values,
        "mismatches": len(of.differences),
        "largest_relative_difference": of.largest,
    }


def rank(telling: Telling, store: FeatureStore, data: Path) -> None:
    """Show the places of the shop's pages that are clicked most."""
    with telling.chapter("What a ranking model would ask"):
        asked = SHOP.entities(data)
        found = store.get_online_features(
            service=RANKING, entities=asked.to_pydict(), as_of=SHOP.as_of, full_feature_names=True
        ).to_arrow()
        best = found.sort_by([("slot_ctr__ctr_3d", "descending"), *((key, "ascending") for key in SHOP.keys)])
        names = (*SHOP.keys, "slot_ctr__impressions_3d", "slot_ctr__ctr_3d", "item_ctr__ctr_3d")
        shown = best.select(names).slice(0, 3).to_pylist()
        telling.words(f"The service {RANKING} for all {asked.num_rows} places; those that are clicked most:")
        telling.table(names, [list(row.values()) for row in shown])
        telling.words(
            "Rates are smoothed: one click in two impressions does not make a place the best. The item's own "
            "rate, over all its places, stands beside it."
        )
