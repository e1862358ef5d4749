"""Loads and registry changes, in a process of their own: `python -m tests.soak.changing DIRECTORY PAUSE`.

Says on standard output how many loads and versions there were, once standard input closes.
"""

from __future__ import annotations

import json
import select
import sys

import headrace as hr
from headrace.clock import DAY
from tests.soak.recognised import DAYS, START, service, views


def main(directory: str, pause: float) -> None:
    """Load a day more, and apply a version more, again and again."""
    loads, version = 1, 1
    with hr.FeatureStore(directory) as store:
        while not select.select([sys.stdin], [], [], pause)[0]:
            if loads < DAYS - 1:
                loads += 1
                store.materialize(end=START + loads * DAY)
            version += 1
            store.apply([*views(), service(version)])
    sys.stdout.write(json.dumps({"loads": loads, "versions": version}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
