"""What a source's rules cost: processor time of reading and cleaning, with and without them, in one run.

    python -m bench.rules_cost [ROWS]

Both sides read all columns, so that they read the same; rounds alternate. Processor time, not the clock:
other work on the machine does not count.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

import headrace as hr
from headrace.reading.source import read

if TYPE_CHECKING:
    from headrace.definitions.rules import Rule

SCHEMA = {
    "event_id": "string", "user_id": "string", "ts": "timestamp", "price": "double", "event": "string",
    "country": "string",
}  # fmt: skip
EVENTS = ["impression", "click", "view"]
PLAIN = (
    hr.rules.not_null("user_id"),
    hr.rules.type("price", "double"),
    hr.rules.range("price", min=0, max=1e6),
    hr.rules.enum("event", EVENTS),
    hr.rules.regex("country", "[a-z][a-z]"),
    hr.rules.custom("paid", "price >= 0"),
)
SIDES: dict[str, tuple[Rule, ...]] = {
    "none": (),
    "six rules": PLAIN,
    **{f"  {rule.kind} alone": (rule,) for rule in PLAIN},
    "  regex of a key": (hr.rules.regex("user_id", "u[0-9]+"),),
    "  unique of an id": (hr.rules.unique("event_id"),),
}
ROUNDS = 3


def rows(count: int) -> pa.Table:
    """Rows of which none breaks a rule."""
    random = np.random.default_rng(1)
    return pa.table(
        {
            "event_id": np.char.add("e", np.arange(count).astype(str)),
            "user_id": np.char.add("u", random.integers(0, 1_000_000, count).astype(str)),
            "ts": pa.array(1_700_000_000_000_000 + random.integers(0, 30 * 86_400_000_000, count)).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "price": np.round(random.lognormal(0, 1, count), 4),
            "event": np.array(EVENTS)[random.integers(0, 3, count)],
            "country": np.array(["de", "fr", "uk", "us"])[random.integers(0, 4, count)],
        }
    )


def seconds(path: Path, rules: tuple[Rule, ...]) -> float:
    """Processor time of reading a file."""
    source = hr.EventSource("log", batch=str(path), schema=SCHEMA, timestamp="ts", rules=rules)
    assert source.schema is not None  # noqa: S101 - it is given above
    start = time.process_time()
    for _ in read(source, source.schema, keys=["user_id"]):
        pass
    return time.process_time() - start


def main(count: int) -> None:
    """Print the medians, and how much more than without rules."""
    with tempfile.TemporaryDirectory() as directory:
        table = rows(count)
        files = [Path(directory) / "log.parquet", Path(directory) / "log.csv"]
        parquet.write_table(table, files[0])
        csv.write_csv(table, files[1])
        for path in files:
            found: dict[str, list[float]] = {side: [] for side in SIDES}
            for _ in range(ROUNDS):
                for side, rules in SIDES.items():
                    found[side].append(seconds(path, rules))
            without = statistics.median(found["none"])
            print(f"{path.suffix[1:]}, {count:,} rows: {without:.2f} s without rules")
            for side, times in found.items():
                if side != "none":
                    median = statistics.median(times)
                    print(f"{side:20} {median:7.2f} s {median / without - 1:+7.0%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
