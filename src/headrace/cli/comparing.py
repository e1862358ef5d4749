"""`headrace consistency`."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb
from headrace.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.cli.store import Consistency

__all__ = ["consistency"]


@verb
@click.option("--last", metavar="SPAN", help="How far back: 1d by default.")
@click.option("--since", metavar="TIME", help="Answers from this instant on, in place of --last.")
@click.option("--until", metavar="TIME", help="Answers before this instant; all until now by default.")
@click.option("--view", "views", multiple=True, metavar="NAME", help="This view; again for several.")
@click.option(
    "--examine",
    type=click.IntRange(min=0),
    default=10_000,
    show_default=True,
    help="How many answers that differ are looked into for causes, of each view.",
)
@click.option("--every", metavar="SPAN", help="Go on, and look again this long after each time.")
def consistency(
    *,
    project: Path,
    as_json: bool,
    last: str | None,
    since: str | None,
    until: str | None,
    views: Sequence[str],
    examine: int,
    every: str | None,
) -> int:
    """Compute what was served once more from history; exit code 2 if it differs by more than it may.

    It reads the served log, `[serving] log`. The newest report on all views is in the metrics of servers.
    """

    def turn() -> bool:
        with opened(project) as store, output.progress() as progress:
            found = store.consistency(
                last, since=since, until=until, views=views or None, examine=examine, progress=progress
            )
        _tell(found, as_json=as_json)
        return found.met

    if every is None:
        return DONE if turn() else FOUND
    from headrace.windows import duration

    rest, done = duration(every) / SECOND, threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: done.set())
    met = turn()
    while not done.wait(rest):
        met = turn() and met
    return DONE if met else FOUND


def _tell(found: Consistency, *, as_json: bool) -> None:
    told = found.to_dict()
    if as_json:
        output.document(told)
        return
    names = ("view", "rows", "waiting", "compared", "mismatched", "%", "objective %", "serving delay", "")
    output.table(names, [_view(each) for each in told["views"]])
    rows = [
        (each["view"], *_feature(feature))
        for each in told["views"]
        for feature in each["features"]
        if feature["mismatched"] or feature["unanswered"]
    ]
    if rows:
        names = (
            "view", "feature", "compared", "equal", "%", "largest error", "relative", "unanswered", "causes",
        )  # fmt: skip
        output.table(names, rows)
    for name, why in told["not_replayed"].items():
        output.note(f"{name} is not replayed: {why}")
    if told["unexplained"]:
        text = (
            f"{told['unexplained']} values differ from history and NO DATA EXPLAIN WHY; --json has examples."
        )
        output.note(click.style(text, fg="red", bold=True))


def _view(view: Mapping[str, Any]) -> tuple[Any, ...]:
    lag = view["lag"]
    return (
        view["view"],
        view["rows"],
        view["waiting"],
        view["compared"],
        view["mismatched"],
        _percent(view["share"]),
        _percent(view["objective"]),
        None if lag is None else f"{lag['serving_delay']} proposed",
        "met" if view["met"] else "NOT MET",
    )


def _feature(feature: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        feature["feature"],
        feature["compared"],
        feature["equal"],
        _percent(feature["share"]),
        feature["largest_absolute"],
        feature["largest_relative"],
        feature["unanswered"],
        ", ".join(f"{cause} {many}" for cause, many in feature["causes"].items()),
    )


def _percent(share: float) -> float:
    return round(100 * share, 4)
