"""Verbs of a project in a process with little room.

`python -m tests.project.narrow_child WHERE DIRECTORY ...`

WHERE is `full`, where files may not become larger, or `nobody`, a user who may write nothing. On standard
output it says, as JSON, what each verb came to.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from headrace import agg
from headrace.errors import HeadraceError
from tests.project.market import K, activity, again, events, online

if TYPE_CHECKING:
    from collections.abc import Callable

    import headrace as hr

NOBODY = 65_534
MORE = [agg.count(f"n{number}", windows=["7d"]) for number in range(400)]

VERBS: dict[str, Callable[[hr.FeatureStore], object]] = {
    "materialize": lambda store: store.materialize(end=K),
    "push": lambda store: store.push("clicks", events(11, 12)),
    "apply": lambda store: store.apply([activity(*MORE)]),
    "read": lambda store: online(store, "newest:price"),
}


def came_to(verb: str, directory: Path) -> str:
    try:
        with again(directory) as store:
            VERBS[verb](store)
    except HeadraceError as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def full(market: Path, other: Path) -> dict[str, str]:
    """Room for a few pages more than the online store has; then as much as there is."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (market / ".headrace" / "online" / "data.mdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8_192, hard))
    said = {"materialize": came_to("materialize", market)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    said |= {verb: came_to(verb, other) for verb in ("push", "apply")}
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return said | {"push with room": came_to("push", other)}


def nobody(market: Path, other: Path) -> dict[str, str]:
    """First all of it elsewhere: what is to be imported may lie where nobody may look."""
    assert {came_to(verb, other) for verb in VERBS} == {"done"}
    if os.getuid() == 0:
        os.setuid(NOBODY)
    return {verb: came_to(verb, market) for verb in VERBS}


if __name__ == "__main__":
    where, *directories = sys.argv[1:]
    sys.stdout.write(json.dumps({"full": full, "nobody": nobody}[where](*map(Path, directories))))
