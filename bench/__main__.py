"""The command: `python -m bench [--quick] [--only NAME ..] [--rounds N] [--patience S] [--date D] [--list]`.

The full size writes `bench/results.md` and `bench/results.json`, the quick one the same names under
`.bench/`. Experiments that are not run keep their last lines. Exit code 1: results differ or something broke;
2: a figure is more than a tenth worse than last time; 0 otherwise, whether goals are met or missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import harness, report
from bench.experiment import FULL, QUICK, Size
from bench.experiments import all_of
from bench.inputs import CACHE

PACKAGES = ("headrace", "duckdb", "pyarrow", "numpy", "polars", "lmdb", "uvicorn", "redis")
HOME = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked, print it, write it down, compare it with the last results."""
    asked = _parse(arguments)
    size = QUICK if asked.quick else FULL
    names = {each.name for each in all_of(size)}
    starts = tuple(name for name in asked.only if name not in names)
    chosen = [each for each in all_of(size) if each.name in asked.only or each.name.startswith(starts)]
    if asked.list or not chosen:
        print("\n".join(f"{each.name}: {each.what}" for each in all_of(size)))
        return 0 if asked.list else 1
    target = (CACHE if asked.quick else HOME) / "results.json"
    last = _read(target)
    run = _circumstances(asked.date, size)
    new, worse = {}, []
    for experiment in chosen:
        rounds = asked.rounds or experiment.rounds
        figures = harness.run(experiment, rounds, lambda line: print(line, flush=True), asked.patience)
        differences = harness.disagreements(experiment, figures)
        new[experiment.name] = report.entry(experiment, figures, run, differences)
        worse += report.worse(experiment.name, new[experiment.name], last.get(experiment.name))
    merged = {**last, **new}
    document = {each.name: merged[each.name] for each in all_of(size) if each.name in merged}
    _write(target, document)
    print(report.markdown(new))
    print("\n".join(f"WORSE {line}" for line in worse))
    broken = any(each["differences"] or _failed(each) for each in new.values())
    return 1 if broken else 2 if worse else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Headrace and its rivals in one run")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, results under .bench/")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="an experiment, or those whose name starts so"
    )
    parser.add_argument("--rounds", type=int, help="samples of each side")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for a quiet machine")
    parser.add_argument("--date", default=f"{datetime.now(tz=UTC):%Y-%m-%d}", help="the date to write down")
    parser.add_argument("--list", action="store_true", help="name the experiments and end")
    return parser.parse_args(arguments)


def _circumstances(date: str, size: Size) -> report.Run:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return report.Run(date, size.name, _machine(), versions)


def _machine() -> str:
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        models = (line for line in described.read_text().splitlines() if line.startswith("model name"))
        processor = next(models, f": {processor}").partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}"


def _failed(document: report.Document) -> bool:
    return any((side["missing"] or "").startswith(harness.FAILED) for side in document["sides"].values())


def _read(target: Path) -> dict[str, report.Document]:
    kept: dict[str, report.Document] = json.loads(target.read_text()) if target.exists() else {}
    return {name: each for name, each in kept.items() if each.get("format") == report.FORMAT}


def _write(target: Path, document: dict[str, report.Document]) -> None:
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n")
    target.with_suffix(".md").write_text(report.markdown(document))


if __name__ == "__main__":
    sys.exit(main())
