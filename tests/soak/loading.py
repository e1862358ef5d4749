"""Loads, in a process of their own: `python -m tests.soak.loading DIRECTORY PAUSE`.

Says on standard output how many there were, once standard input closes.
"""

from __future__ import annotations

import json
import select
import sys

import headrace as hr


def main(directory: str, pause: float) -> None:
    """Load up to the newest edge there is, again and again: what came late is in the next."""
    loads = 1
    with hr.FeatureStore(directory) as store:
        while not select.select([sys.stdin], [], [], pause)[0]:
            store.materialize()
            loads += 1
    sys.stdout.write(json.dumps({"loads": loads}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
