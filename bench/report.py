"""From figures to verdicts, to `results.md` and `results.json`, and to what became worse since last time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.experiment import Experiment, Goal
    from bench.harness import Figures

FORMAT = 1
"""Of an entry in `results.json`: raise it when a field comes or goes; others are left out of what is kept."""

WORSE = 1.1
"""A figure over this many times its last value is pointed out."""

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """The circumstances of a run.

    Attributes:
        date: As given by the caller, YYYY-MM-DD.
        size: Name of the size.
        machine: Processor, cores, memory, system.
        versions: Package -> version.
    """

    date: str
    size: str
    machine: str
    versions: Mapping[str, str]


def entry(
    experiment: Experiment, figures: Mapping[str, Figures], run: Run, differences: Sequence[str]
) -> Document:
    """What `results.json` keeps of one experiment."""
    sides = {name: _without_digest(each) for name, each in figures.items()}
    lines = [judge(goal, figures) for goal in experiment.goals]
    circumstances = {**dataclasses.asdict(run), "versions": dict(run.versions)}
    return {
        "format": FORMAT,
        "what": experiment.what,
        "note": experiment.note,
        "run": circumstances,
        "sides": sides,
        "goals": lines,
        "differences": list(differences),
    }


def judge(goal: Goal, figures: Mapping[str, Figures]) -> Document:
    """One goal with its figure and verdict: `met`, `missed`, `open` (something is not there yet) or ``."""
    ours = figures[goal.ours]
    rivals = {name: figures[name] for name in goal.against}
    present = {name: getattr(each, goal.quantity) for name, each in rivals.items() if each.missing is None}
    line: Document = {**dataclasses.asdict(goal), "against": list(goal.against), "unit": goal.unit}
    line |= {
        "processor": None,
        "figure": None,
        "own": None,
        "rival": None,
        "rival_name": None,
        "verdict": "open",
    }
    if ours.missing is not None or (goal.against and not present):
        return line | {"verdict": "open" if goal.limit is not None else ""}
    line["own"] = line["figure"] = getattr(ours, goal.quantity)
    if goal.against:
        line["rival_name"] = min(present, key=lambda name: present[name])
        line["rival"] = present[line["rival_name"]]
        line["figure"] = line["own"] - line["rival"] if goal.over else line["own"] / line["rival"]
        processor = rivals[line["rival_name"]].processor_seconds
        if goal.quantity == "seconds" and goal.unit == "x" and processor:
            line["processor"] = ours.processor_seconds / processor
    if goal.limit is None:
        return line | {"verdict": ""}
    return line | {"verdict": "met" if line["figure"] <= goal.limit else "missed"}


def worse(name: str, new: Document, old: Document | None) -> list[str]:
    """Figures of ours that are more than a tenth worse than in the last results.

    Seconds and megabytes are compared on the same machine only, multiples always.
    """
    if old is None:
        return []
    same_machine = new["run"]["machine"] == old["run"]["machine"]
    before = {_key(line): line["figure"] for line in old["goals"]}
    found = {}
    for line in new["goals"]:
        last = before.get(_key(line))
        comparable = same_machine or line["unit"] == "x"
        if comparable and last and line["figure"] is not None and line["figure"] > WORSE * last:
            figures = f"{shown(last, line['unit'])} -> {shown(line['figure'], line['unit'])}"
            found[_key(line)] = f"{name}: {_compared(line)}: {figures}"
    return list(found.values())


def markdown(document: Mapping[str, Document]) -> str:
    """The whole of `results.md`: goals first, then every side's figures, then the circumstances."""
    lines = [
        "# Measured",
        "",
        "Written by `make bench`. A figure is ours divided by the fastest rival's in the same run, least",
        "wall time of each; sides take turns, each sample in a process of its own. What is not there yet has",
        "no figure. Processor time tells more where others share the machine.",
        "",
        "| experiment | compared | ours | rival | figure | by processor time | at first | must end |",
        "|---|---|---:|---:|---:|---:|---|---|",
        *(row for name, each in document.items() for row in _goal_rows(name, each)),
        "",
        "## Every side",
        "",
        "`others` is how many cores other programs kept busy meanwhile, in the side's quietest sample.",
        "",
        "| experiment | side | least | median | p99 | processor | peak memory | others |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(row for name, each in document.items() for row in _side_rows(name, each)),
        "",
        *_under_load(document),
        "## What and where",
        "",
        *(_about(name, each) for name, each in document.items()),
        "",
        *dict.fromkeys(_circumstances(each["run"]) for each in document.values()),
    ]
    differences = [text for each in document.values() for text in each["differences"]]
    if differences:
        lines += ["", "## Results that differ", "", *(f"- {text}" for text in differences)]
    return "\n".join(lines) + "\n"


def shown(value: float, unit: str) -> str:
    """A figure for people: `0.21 x`, `1.40 s`, `38.1 us`, `812 MB`."""
    if unit == "x":
        return f"{value:.3g} x"
    if unit == "MB":
        return f"{value:,.0f} MB"
    for scale, name in ((1.0, "s"), (1e-3, "ms")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value / 1e-6:.3g} us"


def _goal_rows(name: str, document: Document) -> Iterator[str]:
    """One row for each comparison; the goals of both stages share it."""
    by_comparison: dict[tuple[Any, ...], dict[str, Document]] = {}
    for line in document["goals"]:
        by_comparison.setdefault(_key(line), {})[line["stage"]] = line
    for stages in by_comparison.values():
        line = next(iter(stages.values()))
        quantity = "MB" if line["quantity"] == "peak_mb" else "s"
        cells = [
            name,
            _compared(line),
            _cell(line["own"], quantity),
            _cell(line["rival"], quantity),
            _cell(line["figure"], line["unit"]),
            _cell(line["processor"], "x"),
            _due(stages.get("at first")),
            _due(stages.get("must end")),
        ]
        yield f"| {' | '.join(cells)} |"


def _side_rows(name: str, document: Document) -> Iterator[str]:
    for side, each in document["sides"].items():
        if each["missing"] is not None:
            yield f"| {name} | {side} | {each['missing']} | | | | | |"
            continue
        times = [_cell(each[key], "s") for key in ("seconds", "median", "p99", "processor_seconds")]
        others = "" if each["others"] is None else f"{each['others']:.1f}"
        yield f"| {name} | {side} | {' | '.join(times)} | {_cell(each['peak_mb'], 'MB')} | {others} |"


def _under_load(document: Mapping[str, Document]) -> Iterator[str]:
    """The servers, if there are any: what each can do, and how long requests take at a share of that."""
    rows = [
        f"| {name} | {side} | {_load_cells(each)} |"
        for name, entry in document.items()
        for side, each in entry["sides"].items()
        if each.get("load")  # came after entries that are kept
    ]
    if rows:
        yield from (
            "## Servers under load",
            "",
            "Closed: each client asks again as soon as it is answered. Open: requests come when they come,",
            "and are timed from the instant they were due. Processor time is the server's, for a request.",
            "",
            "| experiment | side | closed /s | p50 | p99 | p99.9 | open /s | p50 | p99 | p99.9 | processor |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
        )


def _load_cells(side: Document) -> str:
    cells = []
    for load in (side["load"]["closed"], side["load"]["open"]):
        cells += [f"{load['rate']:,.0f}", *(_cell(load[key], "s") for key in ("p50", "p99", "p999"))]
    return " | ".join([*cells, _cell(side["processor_seconds"], "s")])


def _about(name: str, document: Document) -> str:
    text = f"- **{name}** ({document['run']['date']}): {document['what']}."
    return f"{text} {document['note']}" if document.get("note") else text


def _due(line: Document | None) -> str:
    return f"{shown(line['limit'], line['unit'])}: {line['verdict']}" if line else ""


def _cell(value: float | None, unit: str) -> str:
    return "" if value is None else shown(value, unit)


def _compared(line: Document) -> str:
    what = f"{line['ours']}, peak memory" if line["quantity"] == "peak_mb" else line["ours"]
    if not line["against"]:
        return what
    rival = line["rival_name"] or " or ".join(line["against"])
    return f"{what} {'over' if line['over'] else '/'} {rival}"


def _circumstances(run: Document) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"{run['date']}, {run['size']} size; {run['machine']}; {versions}."


def _key(line: Document) -> tuple[Any, ...]:
    return (line["ours"], tuple(line["against"]), line["over"], line["quantity"])


def _without_digest(figures: Figures) -> Document:
    document = dataclasses.asdict(figures)
    del document["digest"]
    return document
