"""Planted faults: one at a time in a copy of the tree, where the tests have to notice it.

Each fault in `scripts/mutants/*.toml` replaces a text that occurs once in its file by another, and says what
that breaks. The tests named for it (else for its file of faults) are run until the first fails, with one seed
and a bounded number of drawn cases. A fault counts as caught if a test fails; not if the tests pass, cannot
be collected or run out of time. Before all, the tests must pass without a fault.

    python scripts/mutants.py --only tiles --jobs 1
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import os
import py_compile
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("src", "tests", "pyproject.toml")
CAUGHT, SURVIVED = "caught", "SURVIVED"
PASSED, FAILED = 0, 1

PLUGIN = '''
"""Bounds what drawn cases cost while faults are planted: fewer of them, and no shrinking."""

import os
from pathlib import Path

import headrace
import hypothesis

import tests.effort

HERE = Path(__file__).parent
assert Path(headrace.__file__).is_relative_to(HERE), "the tests would run against another tree"
SHARE = float(os.environ["PLANTED_SHARE"])
hypothesis.settings.register_profile(
    "planted",
    deadline=None,
    database=None,
    max_examples=max(20, round(100 * SHARE)),
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    suppress_health_check=list(hypothesis.HealthCheck),
)
tests.effort.cases = lambda usual: max(20, round(usual * SHARE))
'''


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        name: File of faults and name in it.
        file: The file it is planted in.
        old: The text it replaces, which occurs once.
        new: The text in its place.
        breaks: What that breaks, in a line.
        tests: The tests that have to notice it, quickest first.
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]

    def planted(self) -> str:
        """The file with the fault.

        Raises:
            ValueError: The text to replace does not occur exactly once.
        """
        text = (ROOT / self.file).read_text(encoding="utf-8")
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"its text occurs {times} times in {self.file}")
        if self.old == self.new:
            raise ValueError("it changes nothing")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Outcome:
    """What became of a fault.

    Attributes:
        verdict: caught, SURVIVED, or why neither is known.
        by: The test that failed first.
        seconds: How long the tests ran.
        output: What they said.
    """

    verdict: str
    by: str
    seconds: float
    output: str


@dataclass(frozen=True)
class Effort:
    """How hard the tests try.

    Attributes:
        limit: Seconds for the tests of one fault.
        share: The share of the usual number of drawn cases.
        seed: Where drawn cases come from.
    """

    limit: float
    share: float
    seed: int


def main() -> int:
    """Plant the faults asked for; 0 if all are caught."""
    options = _options()
    faults = [each for each in read_faults() if options.only in each.name]
    if options.list:
        for each in faults:
            print(f"{each.name:45} {each.file}: {each.breaks}")
        return 0
    stale = list(_stale(faults))
    for name, reason in stale:
        print(f"{name}: {reason}", file=sys.stderr)
    if stale or not faults:
        return 1
    effort = Effort(options.limit, options.cases, options.seed)
    with tempfile.TemporaryDirectory(prefix="headrace-mutants-") as temporary:
        copies = [_copy(Path(temporary) / str(number)) for number in range(options.jobs)]
        if not options.trust and not _sound(copies[0], faults, effort):
            return 1
        return _report(faults, _plant_all(copies, faults, effort))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plant faults; the tests must catch each.")
    parser.add_argument("--only", default="", help="plant only the faults whose name contains this")
    parser.add_argument("--list", action="store_true", help="list the faults and plant none")
    parser.add_argument("--jobs", type=int, default=2, help="how many to plant at once (%(default)s)")
    parser.add_argument("--limit", type=float, default=240, help="seconds for one fault (%(default)s)")
    parser.add_argument("--cases", type=float, default=1.0, help="share of the drawn cases (%(default)s)")
    parser.add_argument("--seed", type=int, default=2024, help="seed of the drawn cases (%(default)s)")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a fault first")
    return parser.parse_args()


def read_faults() -> list[Fault]:
    """All planted faults, in the order of their files."""
    found = []
    for path in sorted(Path(__file__).with_suffix("").glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        usual = document.pop("tests")
        for name, fault in document.items():
            tests = tuple(fault.pop("tests", usual))
            found.append(Fault(f"{path.stem}.{name}", tests=tests, **fault))
    return found


def _stale(faults: Sequence[Fault]) -> Iterator[tuple[str, str]]:
    """Faults that can no longer be planted, and why."""
    for each in faults:
        try:
            each.planted()
        except (OSError, ValueError) as error:
            yield each.name, str(error)
        for test in each.tests:
            if not (ROOT / test.partition("::")[0]).exists():
                yield each.name, f"there is no {test}"


def _copy(to: Path) -> Path:
    """A copy of what the tests need."""
    to.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, to / name)
    (to / "planted_plugin.py").write_text(PLUGIN, encoding="utf-8")
    # Judged by their contents: a fault may come and go within the resolution of a time stamp.
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(to / "src", quiet=2, invalidation_mode=checked)
    return to


def _sound(copy: Path, faults: Sequence[Fault], effort: Effort) -> bool:
    """Whether the tests pass without a fault."""
    tests = list(dict.fromkeys(test for each in faults for test in each.tests))
    outcome = _run(copy, tests, Effort(effort.limit * 5, effort.share, effort.seed))
    if outcome.verdict != SURVIVED:
        print(outcome.output, file=sys.stderr)
        print("The tests fail without any fault; nothing was planted.", file=sys.stderr)
        return False
    print(f"without a fault all pass: {outcome.seconds:.0f} s", flush=True)
    return True


def _plant_all(copies: Sequence[Path], faults: Sequence[Fault], effort: Effort) -> Iterator[Outcome]:
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def plant(fault: Fault) -> Outcome:
        copy = free.get()
        file = copy / fault.file
        sound = file.read_text(encoding="utf-8")
        try:
            file.write_text(fault.planted(), encoding="utf-8")
            return _run(copy, fault.tests, effort)
        finally:
            file.write_text(sound, encoding="utf-8")
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        yield from pool.map(plant, faults)


def _run(copy: Path, tests: Sequence[str], effort: Effort) -> Outcome:
    """Run tests in a copy until one fails."""
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"),
        *("-p", "planted_plugin", "--hypothesis-profile=planted", f"--hypothesis-seed={effort.seed}"),
        *("--tb=short", "--durations=0", "--durations-min=1000", *tests),
    ]
    paths = os.pathsep.join(map(str, (copy / "src", copy)))
    environment = {**os.environ, "PYTHONPATH": paths, "PLANTED_SHARE": str(effort.share)}
    begun = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=effort.limit)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return Outcome("out of time", "", time.monotonic() - begun, output)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+::\S+)", output, re.MULTILINE)
    verdict = f"exit code {process.returncode}"
    if process.returncode == PASSED:
        verdict = SURVIVED
    elif process.returncode == FAILED and failed:  # else nothing could be collected
        verdict = CAUGHT
    return Outcome(verdict, failed[1] if failed else "", time.monotonic() - begun, output)


def _report(faults: Sequence[Fault], outcomes: Iterator[Outcome]) -> int:
    """Print what became of each fault, as it becomes known; 0 if all are caught."""
    open_: list[str] = []
    begun = time.monotonic()
    for fault, outcome in zip(faults, outcomes, strict=True):
        by = outcome.by.rpartition("/")[2]
        print(f"{outcome.verdict:12}{outcome.seconds:6.1f} s  {fault.name:42} {by}", flush=True)
        if outcome.verdict != CAUGHT:
            print(f"    {fault.file}: {fault.breaks}", flush=True)
            if outcome.verdict != SURVIVED:
                print(outcome.output[-1500:], flush=True)
            open_.append(fault.name)
    caught = len(faults) - len(open_)
    print(f"{caught} of {len(faults)} planted faults caught in {time.monotonic() - begun:.0f} s")
    return 1 if open_ else 0


if __name__ == "__main__":
    raise SystemExit(main())
