"""One layout, read again and again: what `make bench` compares; `python -m bench.layouts` tells the rest."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import lmdb
import numpy as np

from bench.layouts.inputs import Entities, View, lifted, tiled
from bench.layouts.layouts import LAYOUTS
from bench.layouts.measure import MANY, MAP_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

DENSE = Entities("dense", MANY, 5_040, 35)


def read(*, layout: str) -> Callable[[], object]:
    """Get and unpack the tiles of a hundred dense entities, ten aggregates over four windows."""
    view = View("ten")
    plan = view.plan()
    tiles = tiled(plan, lifted(view, DENSE))
    made = LAYOUTS[layout](plan)
    with tempfile.TemporaryDirectory() as directory:
        env = lmdb.open(directory, map_size=MAP_BYTES, sync=False)  # the map outlives its file's name
        with env.begin(write=True) as tx, tx.cursor() as cursor:
            cursor.putmulti(made.items(tiles, np.searchsorted(tiles.entity, np.arange(DENSE.count + 1))))

    def call() -> object:
        with env.begin() as tx:
            return made.rows(tx, range(DENSE.count))

    return call
