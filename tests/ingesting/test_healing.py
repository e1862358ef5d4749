"""Loads heal what streams brought while these go on; what they cover leaves; a cold start begins near K."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from headrace.clock import DAY, HOUR, MINUTE
from headrace.keys import decode_key
from headrace.online.layout import RECORDS
from headrace.online.log import Log
from tests.ingesting.brokers import json_of, redis_at
from tests.ingesting.test_brokers import until
from tests.ingesting.test_follow import MIDNIGHT, Place, click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS, EACH = 4, 120


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "project")
    place.store.materialize(end=MIDNIGHT)
    yield place
    place.store.close()


def stream_epochs(place: Place) -> set[int]:
    """The epochs that records of the stream are of, read or not, as days since the first."""
    with place.store.online.snapshot() as snapshot:
        keys = [decode_key(key) for key, _ in snapshot.scan(RECORDS[1])]
    return {int(str(key[3])) - MIDNIGHT // DAY for key in keys}


def test_loads_heal_the_past_while_the_stream_goes_on(place: Place) -> None:
    """Each day some events never reach the stream, some come a day late, and the batch has them all."""
    draw = random.Random(5)
    rows, late, wanted = list(place.before), [], 0
    with place.store.ingesting() as counts:
        came = counts["ads"].messages
        for day in range(DAYS):
            start = MIDNIGHT + day * DAY
            place.clock.at = start + DAY - 1
            today = [
                click(1_000 * (day + 1) + n, f"u{draw.randrange(3)}", start + draw.randrange(DAY - MINUTE))
                for n in range(EACH)
            ]
            lost, kept = today[:10], today[10:]
            place.live(*late, *kept[: EACH // 2])
            wanted += len(late) + EACH // 2
            place.batch(rows)
            place.store.materialize(end=start)  # while they are taken
            place.live(*kept[EACH // 2 : -5], *kept[:20])
            wanted += len(kept) - EACH // 2 - 5 + 20
            until(lambda: sum(came.values()) == wanted)  # noqa: B023
            streamed = [*rows, *kept[:-5]]
            assert place.ask() == place.history(streamed)
            assert stream_epochs(place) == {day}
            late = kept[-5:]
            rows += [*lost, *kept]
        assert (came["rejected"], counts["ads"].failures) == (0, 0)
        assert came["duplicates"] == 20 * DAYS
        # Those of the day before came before the load that covers them, or after it: no matter which.
        assert came["accepted"] + came["late"] == (EACH - 10) * DAYS - 5
        place.clock.at = MIDNIGHT + DAYS * DAY + HOUR
        place.batch(rows)
        place.store.materialize(end=MIDNIGHT + DAYS * DAY)
        assert place.ask() == place.history(rows)
        assert stream_epochs(place) == set()


def test_the_log_of_a_stream_is_no_longer_than_what_a_load_would_need(place: Place) -> None:
    sizes = []
    for day in range(DAYS):
        start = MIDNIGHT + day * DAY
        place.clock.at = start + DAY - 1
        today = [click(1_000 * (day + 1) + n, f"u{n % 3}", start + n * MINUTE) for n in range(EACH)]
        place.live(*today)
        place.store.ingest(once=True)
        sizes.append(sum(each.events.num_rows for each in Log("ads", 1).entries(place.store.online)))
        place.clock.at = start + DAY + 2 * HOUR
        place.batch([*place.before, *today])
        place.store.materialize(end=start + DAY)
    assert sizes == [EACH] * DAYS


def test_a_cold_start_begins_where_the_load_ends(redis_url: str, tmp_path: Path) -> None:
    with redis_at(redis_url) as broker:
        place = Place(tmp_path / "project", stream=broker.stream)
        try:
            check_cold_start(place, broker)
        finally:
            place.store.close()


def check_cold_start(place: Place, broker: Any) -> None:
    old = [click(100 + n, f"u{n % 3}", MIDNIGHT - 3 * DAY + n * MINUTE) for n in range(30)]
    new = [click(200 + n, f"u{n % 3}", MIDNIGHT + n * MINUTE) for n in range(30)]
    for number, event in enumerate([*old, *new]):
        at = MIDNIGHT - 3 * DAY + number * MINUTE if number < len(old) else MIDNIGHT + number * MINUTE
        broker.client.xadd(f"ads:{number % 2}", {"data": json_of(event)}, id=f"{at // 1_000}-0")
    place.batch([*place.before, *old])
    place.store.materialize(end=MIDNIGHT)
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.late, done.duplicates, done.gaps) == (len(new), 0, 0, 0)
    assert place.ask() == place.history([*place.before, *old, *new])
