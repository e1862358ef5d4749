"""The command: `python -m bench.layouts [WORD ..]`: the cases whose names hold one of the words, or all.

Writes `bench/layouts.md` where all are run, which takes some minutes. Every layout that keeps tiles has to
answer as the others do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.layouts.inputs import Entities, View
from bench.layouts.measure import Case, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEWS = (
    View("one count", "one"),
    View("eight aggregates", "eight"),
    View("ten, with first and last"),
    View("ten, event_id declared", event_id=True),
)
SPANS = ("1d", "7d", "30d", "90d", "365d")
PACKED = ("packed, rows", "packed, columns", "packed, narrow columns", "packed, rows, zstd")

COLUMNS = (
    "keys",
    "bytes an entity",
    "with keys",
    "an event",
    "x raw",
    "pages",
    "write us",
    "read 1 us",
    "read 100 us",
)
HEAD = """\
# Layouts, measured

Written by `python -m bench.layouts`; [record 0027](../docs/adr/0027-packed-records.md) says what follows from
it. Times are processor time, the least of three turns. An entity's events are drawn evenly over days before
K. A *lifted raw event* is its time and the fields of all measures, unframed. `x raw` is the bytes of keys and
values, for an event, in lifted raw events. Pages are LMDB's, with what is free in them. A read gets and
unpacks; what comes after (*answer*: from tiles to all features) is the same for all.
"""


def cases() -> Iterator[tuple[str, View, Entities, tuple[str, ...] | None, bool]]:
    """What is compared: name, view, entities, layouts (None for all), whether tiles roll up."""
    for view in VIEWS:
        for events in (1, 3, 10):
            yield f"sparse: {events} of {view.name}", view, Entities("sparse", 2_000, events, 30), None, True
    for view in VIEWS:
        yield f"dense: {view.name}", view, Entities("dense", 100, 5_040, 35), None, True
    dense = Entities("dense", 100, 5_040, 35)
    for view in (VIEWS[0], VIEWS[1], VIEWS[2]):
        yield f"dense, finest tiles only: {view.name}", view, dense, PACKED, False
    for span in SPANS:
        of = Entities("steady", 100, 20 * int(span[:-1]), int(span[:-1]))
        yield f"span: ten over {span}, 20 events a day", View("ten", windows=(span,)), of, None, True


def told(case: Case) -> str:
    """A case as Markdown."""
    lines = [
        f"\n## {case.name}\n",
        (
            f"{case.events:,} events and {case.tiles:.4g} tiles an entity; a lifted raw event has "
            f"{case.raw:.4g} bytes; order keys are {case.order:.0%} of the packed rows; answer: "
            f"{case.answer:.4g} us for 1, {case.answer_many:,.0f} us for 100.\n"
        ),
        f"| layout | {' | '.join(COLUMNS)} |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for name, cost in case.costs.items():
        event = cost.stored / case.events
        figures = (
            f"{cost.keys:,.4g}",
            f"{cost.values:,.0f}",
            f"{cost.stored:,.0f}",
            f"{event:,.4g}",
            f"{event / case.raw:.3g}",
            f"{cost.pages:,.0f}",
            f"{cost.write:,.4g}",
            f"{cost.one:,.4g}",
            f"{cost.many:,.0f}",
        )
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Measure, print, write down."""
    texts = [HEAD]
    for name, view, of, only, cascade in cases():
        if not words or any(word in name for word in words):
            case = compare(name, view, of, cascade=cascade, **({} if only is None else {"only": only}))
            texts.append(told(case))
            print(texts[-1], flush=True)
    if not words:
        (Path(__file__).parents[1] / "layouts.md").write_text("\n".join(texts) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
