"""What a layout costs: bytes, writing, reading. Times are processor time, all layouts of a case in turn."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import lmdb
import numpy as np

from bench.layouts.columns import columns_of, names_of
from bench.layouts.inputs import Entities, K, View, lifted, tiled
from bench.layouts.layouts import LAYOUTS
from headrace.kernel.point_in_time import features_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.layouts.layouts import Item, Layout
    from headrace.aggregations.states import Array
    from headrace.kernel.plan import ViewPlan
    from headrace.kernel.rows import Rows

ROUNDS = 3
MAP_BYTES = 1 << 32
CALL_SECONDS = 0.02
"""How long one layout is read before the next has its turn."""
MANY = 100


@dataclasses.dataclass(frozen=True)
class Cost:
    """The figures of one layout in one case.

    Attributes:
        keys: Stored records of an entity.
        values: Bytes of their values, of an entity.
        stored: Bytes of keys and values, of an entity.
        pages: Bytes of LMDB's pages, of an entity.
        write: Microseconds of an entity to be packed and put.
        one: Microseconds to get and unpack one entity.
        many: The same for a hundred, together.
    """

    keys: float
    values: float
    stored: float
    pages: float
    write: float
    one: float
    many: float


@dataclasses.dataclass(frozen=True)
class Case:
    """What is compared, and what there is beside the layouts.

    Attributes:
        name: What the table calls it.
        events: Of each entity.
        raw: Bytes of a lifted raw event: its time and the fields of all measures, unframed.
        order: The share of order keys in the packed rows.
        tiles: Of each entity.
        answer: Microseconds from the tiles of one entity to its features, the same for all layouts.
        answer_many: The same for a hundred, together.
        costs: By layout.
    """

    name: str
    events: int
    raw: float
    order: float
    tiles: float
    answer: float
    answer_many: float
    costs: dict[str, Cost]


def compare(
    name: str, view: View, of: Entities, only: Sequence[str] = tuple(LAYOUTS), *, cascade: bool = True
) -> Case:
    """Measure some layouts over the same tiles; all that keep tiles must give the same answers."""
    plan = view.plan()
    rows = lifted(view, of)
    raw = _raw_bytes(plan, rows)
    tiles = tiled(plan, rows, cascade=cascade)
    bounds = np.searchsorted(tiles.entity, np.arange(of.count + 1))
    layouts = {name: LAYOUTS[name](plan) for name in only}
    with ExitStack() as stack:
        stores = {name: stack.enter_context(_opened(stack)) for name in layouts}
        items, writes = _written(layouts, stores, tiles, bounds)
        _check(plan, layouts, stores, of.count)
        one = _read(layouts, stores, of.count, 1)
        many = _read(layouts, stores, of.count, MANY)
        pages = {name: _pages(env) for name, env in stores.items()}
        answers = [_answer(plan, layouts, stores, n) for n in (1, MANY)]
    costs = {
        name: Cost(
            len(own) / of.count,
            sum(len(value) for _, value in own) / of.count,
            sum(len(key) + len(value) for key, value in own) / of.count,
            pages[name] / of.count,
            writes[name] / of.count * 1e6,
            one[name] * 1e6,
            many[name] * 1e6,
        )
        for name, own in items.items()
    }
    order = _order_bytes(plan, tiles) / sum(len(value) for _, value in items["packed, rows"])
    return Case(name, of.events, raw, order, len(tiles) / of.count, answers[0] * 1e6, answers[1] * 1e6, costs)


def _opened(stack: ExitStack) -> lmdb.Environment[bytes]:
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    return lmdb.open(directory, map_size=MAP_BYTES, sync=False)


def _written(
    layouts: dict[str, Layout], stores: dict[str, lmdb.Environment[bytes]], tiles: Rows, bounds: Array
) -> tuple[dict[str, list[Item]], dict[str, float]]:
    """What each has written, and the least seconds it took."""
    items, least = {}, dict.fromkeys(layouts, float("inf"))
    for _ in range(ROUNDS):
        for name, layout in layouts.items():
            with stores[name].begin(write=True) as tx:
                tx.drop(stores[name].open_db(None, tx), delete=False)
            start = time.process_time()
            items[name] = layout.items(tiles, bounds)
            with stores[name].begin(write=True) as tx, tx.cursor() as cursor:
                cursor.putmulti(items[name])
            least[name] = min(least[name], time.process_time() - start)
    return items, least


def _read(
    layouts: dict[str, Layout], stores: dict[str, lmdb.Environment[bytes]], count: int, together: int
) -> dict[str, float]:
    """The least mean seconds of a read, each layout's turns apart from each other."""
    asked = [
        sorted((start + i) % count for i in range(min(together, count)))
        for start in range(0, count, together)
    ]
    least = dict.fromkeys(layouts, float("inf"))
    for _ in range(ROUNDS):
        for name, layout in layouts.items():
            turns = itertools.cycle(asked)

            def read(
                layout: Layout = layout, name: str = name, turns: itertools.cycle[list[int]] = turns
            ) -> None:
                with stores[name].begin() as tx:
                    layout.rows(tx, next(turns))

            least[name] = min(least[name], _mean(read))
    return least


def _mean(call: Callable[[], object]) -> float:
    call()
    calls, start, spent = 0, time.process_time(), 0.0
    while not calls or spent < CALL_SECONDS:
        call()
        calls += 1
        spent = time.process_time() - start
    return spent / calls


def _check(
    plan: ViewPlan, layouts: dict[str, Layout], stores: dict[str, lmdb.Environment[bytes]], count: int
) -> None:
    some = sorted({0, count // 2, count - 1})
    t = np.full(len(some), K)
    expected = None
    for name, layout in layouts.items():
        if name == "a key for each value":
            continue
        with stores[name].begin() as tx:
            found = features_at(plan, layout.rows(tx, some), np.arange(len(some)), t)  # type: ignore[arg-type]
        values = {feature: column.values.to_pylist() for feature, column in found.items()}
        expected = values if expected is None else expected
        if values != expected:
            raise AssertionError(f"{name} answers differently")


def _answer(
    plan: ViewPlan, layouts: dict[str, Layout], stores: dict[str, lmdb.Environment[bytes]], together: int
) -> float:
    with stores["packed, rows"].begin() as tx:
        rows = layouts["packed, rows"].rows(tx, range(together))
    asked, t = np.arange(together), np.full(together, K)
    return min(_mean(lambda: features_at(plan, rows, asked, t)) for _ in range(ROUNDS))  # type: ignore[arg-type]


def _pages(env: lmdb.Environment[bytes]) -> float:
    stat = env.stat()
    pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
    return float(pages * stat["psize"])


def _raw_bytes(plan: ViewPlan, rows: Rows) -> float:
    """The mean bytes of a row's time, numbers and texts."""
    some = rows.slice(0, min(len(rows), 1_000))
    _, texts = columns_of(plan, some, np.array([0, len(some)]))
    numbers = sum(np.dtype(of).itemsize for _, of in names_of(plan) if of != "<u4")
    return numbers + sum(len(data) for each in texts for data in each) / len(some)


def _order_bytes(plan: ViewPlan, tiles: Rows) -> int:
    _, texts = columns_of(plan, tiles, np.array([0, len(tiles)]))
    return sum(len(data) for each in texts for data in each)
