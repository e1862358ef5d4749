"""Segments of a view: added to, merged when there are too many, and gone on with when a load died."""

from __future__ import annotations

import random

import pytest

from headrace import agg
from headrace.clock import FixedClock
from headrace.intake.rejects import no_rejects
from headrace.kernel.parts import BUCKETS
from headrace.online import compaction
from headrace.online.layout import segment_prefix
from headrace.online.manifest import read_manifest
from headrace.online.materialize import Load, materialize
from headrace.ports.engine import Extent, File, Part
from headrace.stores.memory import MemoryStore
from tests.online.small import (
    COUNTS,
    DAY,
    EPOCH,
    HOUR,
    MIDNIGHT,
    Click,
    clicks,
    counting,
    load,
    newest,
    values,
)

NOTHING = no_rejects()
VIEWS = [counting(), newest()]


class Arriving:
    """An engine that reads files of clicks: of each the clicks, in the order in which files arrive."""

    def __init__(self, *files: list[Click], parts: int = 1, dies_after: int | None = None) -> None:
        self.clicks = list(files)
        self._parts = parts
        self._dies_after = dies_after
        self.asked: list[tuple[list[str], int]] = []

    def infer_schema(self, source):
        raise AssertionError(source)

    def features(self, asked, progress):
        raise AssertionError(asked, progress)

    def files(self, source):
        return [File(str(number), len(each), 0) for number, each in enumerate(self.clicks)]

    def parts(self, binding, before, held=None, done=0):
        old = {} if held is None else held.files
        names = [str(number) for number in range(len(self.clicks)) if str(number) not in old]
        self.asked.append((names, done))
        events = [click for name in names for click in self.clicks[int(name)]]
        extents = {
            str(n): Extent(max(c.time for c in each), max(c.known or c.time for c in each))
            for n, each in enumerate(self.clicks)
        }
        for part in range(self._parts):
            if part == self._dies_after:
                raise OSError("the machine is gone")
            end = (part + 1) * BUCKETS // self._parts
            mine = [click for click in events if hash_of(click.user) % self._parts == part]
            if end > done:
                yield Part(clicks(*mine), NOTHING, end, extents)


def hash_of(user: str | None) -> int:
    return int(str(user)[1:])


def add(store, view, engine, end):
    return materialize(store, engine, Load(view, end, end, EPOCH), lambda *_: None)


def segments(store, view):
    return [segment.records for segment in read_manifest(store).of(view.id).segments]


@pytest.fixture
def store():
    return MemoryStore(FixedClock(MIDNIGHT))


def history(seed: int, files: int) -> list[list[Click]]:
    """Clicks of forty users in files, the first one large."""
    draw = random.Random(seed)
    return [
        [
            Click(
                MIDNIGHT - 20 * DAY + n * HOUR + place,
                f"u{draw.randrange(40)}",
                draw.randrange(9),
                f"{n}/{place}",
            )
            for place in range(200 if n == 0 else 8)
        ]
        for n in range(files)
    ]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("read", [1, 3, 4096])
def test_merged_segments_say_what_they_said_before(store, view, read, seed, monkeypatch):
    monkeypatch.setattr(compaction, "_READ", read)
    engine = Arriving()
    users = [f"u{number}" for number in range(41)]
    counts = []
    for file in history(seed, 30):
        engine.clicks.append(file)
        add(store, view, engine, MIDNIGHT)
        counts.append(len(segments(store, view)))
    assert max(counts) == compaction._MOST  # noqa: SLF001 - the promise that is tested
    assert counts != sorted(counts), "some were merged"
    assert [names for names, _ in engine.asked] == [[str(n)] for n in range(30)], "each file was read once"
    once = MemoryStore(FixedClock(MIDNIGHT))
    load(once, view, MIDNIGHT, *(click for file in engine.clicks for click in file))
    for at in (MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 30 * DAY):
        assert values(store, view, users, as_of=at) == values(once, view, users, as_of=at)


def test_a_large_segment_stays_as_it_is(store):
    view = VIEWS[0]
    engine = Arriving([Click(MIDNIGHT - HOUR - n, f"u{n}", event=f"base{n}") for n in range(500)])
    for n in range(12):
        engine.clicks.append([Click(MIDNIGHT - HOUR, "u1", event=f"more{n}")])
        add(store, view, engine, MIDNIGHT)
    assert read_manifest(store).of(view.id).segments[0].number == 0
    assert len(segments(store, view)) <= compaction._MOST  # noqa: SLF001 - the promise that is tested
    assert values(store, view, ["u0", "u1"], as_of=MIDNIGHT)["n_all"] == [1, 13]


def test_a_segment_says_how_many_bytes_it_has_merged_or_not(store):
    view = VIEWS[0]
    engine = Arriving()
    for n in range(compaction._MOST + 1):  # noqa: SLF001 - one more than there may be
        engine.clicks.append([Click(MIDNIGHT - HOUR, f"u{n}", event=f"{n}")])
        add(store, view, engine, MIDNIGHT)
    held = read_manifest(store).of(view.id).segments
    assert len(held) < len(engine.clicks)
    found = [sum(len(data) for _, data in store.scan(segment_prefix(each.number))) for each in held]
    assert [each.size for each in held] == found


def test_merging_forgets_what_no_window_reaches(store):
    view = counting([agg.count("n", windows=["7d"])])
    engine = Arriving([Click(MIDNIGHT - 30 * DAY, f"u{n}", event=f"old{n}") for n in range(50)])
    add(store, view, engine, MIDNIGHT - 29 * DAY)
    assert segments(store, view) == [50]
    for n in range(8):
        engine.clicks.append(
            [Click(MIDNIGHT - HOUR, f"u{place}", event=f"{n}/{place}") for place in range(30)]
        )
        add(store, view, engine, MIDNIGHT)
    assert segments(store, view)[0] == 30


@pytest.mark.parametrize("dies_after", [1, 2, 3])
def test_a_load_goes_on_with_one_that_died(store, dies_after, seed):
    (file,) = history(seed, 1)
    with pytest.raises(OSError, match="gone"):
        add(store, VIEWS[0], Arriving(file, parts=4, dies_after=dies_after), MIDNIGHT)
    assert read_manifest(store).of(VIEWS[0].id).generation == -1
    engine = Arriving(file, parts=4)
    loaded = add(store, VIEWS[0], engine, MIDNIGHT)
    # a part is read one ahead of the one that is written
    assert engine.asked == [(["0"], (dies_after - 1) * BUCKETS // 4)]
    assert (loaded.events, loaded.entities) == (200, len({click.user for click in file}))
    once = MemoryStore(FixedClock(MIDNIGHT))
    load(once, VIEWS[0], MIDNIGHT, *file)
    users = [f"u{number}" for number in range(41)]
    assert values(store, VIEWS[0], users, as_of=MIDNIGHT) == values(once, VIEWS[0], users, as_of=MIDNIGHT)


def test_a_load_of_something_else_begins_anew(store, seed):
    first, second = history(seed, 2)
    with pytest.raises(OSError, match="gone"):
        add(store, VIEWS[0], Arriving(first, parts=4, dies_after=3), MIDNIGHT)
    engine = Arriving(first, second, parts=4)
    add(store, VIEWS[0], engine, MIDNIGHT)
    assert engine.asked == [(["0", "1"], 0)]
    assert sum(values(store, VIEWS[0], [f"u{n}" for n in range(40)], as_of=MIDNIGHT)["n_all"]) == 208


@pytest.mark.parametrize(
    ("died", "end"),
    [(counting(), MIDNIGHT - DAY), (counting(COUNTS[:2]), MIDNIGHT), (counting(event_id=None), MIDNIGHT)],
    ids=["another end", "another definition", "another source"],
)
def test_what_a_dead_load_wrote_for_something_else_is_not_gone_on_with(store, died, end, seed):
    (file,) = history(seed, 1)
    with pytest.raises(OSError, match="gone"):
        add(store, died, Arriving(file, parts=4, dies_after=3), end)
    engine = Arriving(file, parts=4)
    loaded = add(store, VIEWS[0], engine, MIDNIGHT)
    assert engine.asked == [(["0"], 0)]
    assert loaded.events == 200


def test_segments_of_another_source_are_not_added_to(store, seed):
    first, second = history(seed, 2)
    add(store, counting(event_id=None), Arriving(first), MIDNIGHT)
    engine = Arriving(first, second)
    loaded = add(store, VIEWS[0], engine, MIDNIGHT)
    assert loaded.full == "its source has changed"
    assert engine.asked == [(["0", "1"], 0)]
