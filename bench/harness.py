"""Runs sides in processes of their own, in turn (A B A B), and boils their samples down to figures.

Each sample is a fresh process: no side inherits another's memory, caches or threads. Inputs are drawn before,
in yet another process. This module and what it imports stay light, because a child's peak memory as the
system accounts it starts from its parent's.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import resource
    from collections.abc import Callable, Sequence

    from bench.experiment import Experiment, Side

LIMIT_SECONDS = 1_800
FAILED = "failed: "
PROCESSORS = Path("/proc/stat")
QUIET_SECONDS = 1.0
QUIET_CORES = 0.2
DOUBLES_AGREE = 1e-9  # of the sum of absolute values, as the design's agreement for sums of doubles


@dataclasses.dataclass(frozen=True)
class Figures:
    """What the samples of one side say; times in seconds, memory in megabytes.

    Attributes:
        seconds: Least wall time, the figure goals are held against: neighbours on the machine only add.
        median: Median wall time.
        processor_seconds: Least processor time of all threads.
        peak_mb: Largest resident set of the process.
        others: Cores that other programs kept busy meanwhile, in the quietest sample; None where unknown.
        p99: For repeated calls, the least 99th percentile.
        missing: Why there are no figures, or None.
        digest: What the result adds up to, by column.
        load: For servers under load, `closed` and `open`: rate, p50, p99, p999 of the sample with the least
            seconds; None for others.
    """

    seconds: float = 0.0
    median: float = 0.0
    processor_seconds: float = 0.0
    peak_mb: float = 0.0
    others: float | None = None
    p99: float | None = None
    missing: str | None = None
    digest: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    load: dict[str, dict[str, float]] | None = None


def run(
    experiment: Experiment, rounds: int, tell: Callable[[str], None], patience: float = 0.0
) -> dict[str, Figures]:
    """Measure every side of the experiment `rounds` times, in turn.

    Args:
        experiment: What to run.
        rounds: Samples of each side.
        tell: Hears one line for each sample.
        patience: Seconds to wait before each sample, at most, for other programs to leave the machine alone.

    Returns:
        Side name -> figures. A side that is not there yet or fails has `missing`, and is not tried again.
    """
    samples: dict[str, list[dict[str, Any]]] = {}
    for side in experiment.sides:
        drawn = _child(side, draw_only=True)
        samples[side.name] = [drawn] if "missing" in drawn else []
        if "missing" in drawn:
            tell(f"  {experiment.name}: {side.name}: {drawn['missing']}")
    for _ in range(rounds):
        for side in experiment.sides:
            taken = samples[side.name]
            if taken and "missing" in taken[-1]:
                continue
            _wait_for_quiet(patience)
            taken.append(_child(side, draw_only=False))
            tell(f"  {experiment.name}: {side.name}: {_told(taken[-1])}")
    return {name: _figures(taken) for name, taken in samples.items()}


def disagreements(experiment: Experiment, figures: dict[str, Figures]) -> list[str]:
    """Columns in which sides that should give one result do not; sides without figures are passed over."""
    found = []
    for group in experiment.agree:
        known = [name for name in group if figures[name].digest]
        for name in known[1:]:
            found += _differences(known[0], figures[known[0]].digest, name, figures[name].digest)
    return found


def _differences(
    left: str, ours: dict[str, list[float]], right: str, theirs: dict[str, list[float]]
) -> list[str]:
    if ours.keys() != theirs.keys():
        return [f"{left} and {right} have different columns: {sorted(ours.keys() ^ theirs.keys())}"]
    return [
        f"{left} and {right} differ in {column}: {total} and {theirs[column][0]}"
        for column, (total, slack, nulls) in ours.items()
        if abs(total - theirs[column][0]) > DOUBLES_AGREE * slack or nulls != theirs[column][2]
    ]


def _told(sample: dict[str, Any]) -> str:
    if "missing" in sample:
        return str(sample["missing"])
    return f"{sample['seconds']:.6g} s, {sample['peak_mb']:.0f} MB"


def _figures(samples: Sequence[dict[str, Any]]) -> Figures:
    if "missing" in samples[-1]:
        return Figures(missing=samples[-1]["missing"])
    p99 = [sample["p99"] for sample in samples if "p99" in sample]
    others = [sample["others"] for sample in samples if sample["others"] is not None]
    return Figures(
        seconds=min(sample["seconds"] for sample in samples),
        median=statistics.median(sample["seconds"] for sample in samples),
        processor_seconds=min(sample["processor_seconds"] for sample in samples),
        peak_mb=max(sample["peak_mb"] for sample in samples),
        others=min(others) if others else None,
        p99=min(p99) if p99 else None,
        digest=samples[0].get("digest", {}),
        load=min(samples, key=lambda sample: sample["seconds"]).get("load"),
    )


def _child(side: Side, *, draw_only: bool) -> dict[str, Any]:
    document = {
        "entry": side.entry,
        "inputs": side.inputs.to_dict() if side.inputs else None,
        "options": side.options,
        "calls": side.calls,
        "draw_only": draw_only,
    }
    command = [sys.executable, "-m", "bench.child", json.dumps(document)]
    busy, start = _busy_seconds(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        printed = _output(child)
        _, status, usage = os.wait4(child.pid, 0)  # the only way to the memory of this one child
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if child.returncode != 0:
            return {"missing": _reason(child.returncode, errors.read())}
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    answer["others"] = _others(busy, usage, time.perf_counter() - start)
    answer["peak_mb"] = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return answer


def _output(child: subprocess.Popen[str]) -> str:
    alarm = threading.Timer(LIMIT_SECONDS, child.kill)
    alarm.start()
    try:
        with child.stdout or io.StringIO() as output:
            return output.read()
    finally:
        alarm.cancel()


def _reason(code: int, errors: str) -> str:
    if code < 0:
        return f"{FAILED}stopped by signal {-code}; the limit is {LIMIT_SECONDS} s"
    lines = [line for line in errors.splitlines() if line.strip()]
    return f"{FAILED}{lines[-1].strip() if lines else 'no reason given'}"


def _others(busy_before: float | None, usage: resource.struct_rusage, wall: float) -> float | None:
    """Cores kept busy by programs other than the child while it ran."""
    busy = _busy_seconds()
    if busy_before is None or busy is None:
        return None
    return max(0.0, (busy - busy_before - usage.ru_utime - usage.ru_stime) / wall)


def _wait_for_quiet(patience: float) -> None:
    """Return when the machine has been idle for a moment, or `patience` is over."""
    deadline = time.monotonic() + patience
    while (before := _busy_seconds()) is not None and time.monotonic() < deadline:
        time.sleep(QUIET_SECONDS)
        if (_busy_seconds() or 0.0) - before < QUIET_CORES * QUIET_SECONDS:
            return


def _busy_seconds() -> float | None:
    """Processor time of the whole machine so far, steal included; None where there is no /proc/stat."""
    if not PROCESSORS.exists():
        return None
    user, nice, system, _idle, _wait, *interrupts_and_steal = PROCESSORS.read_text().split(maxsplit=9)[1:9]
    ticks = sum(int(field) for field in (user, nice, system, *interrupts_and_steal))
    return ticks / os.sysconf("SC_CLK_TCK")
