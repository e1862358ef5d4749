"""Reads: the instant they are as of, the states they may see, and what they say where there is none."""

from __future__ import annotations

import msgspec
import pytest

from headrace import agg
from headrace.clock import FixedClock
from headrace.errors import AsOfTooEarly, StoreError
from headrace.kernel.columns import STATUS_NAMES, reason_of
from headrace.online.layout import MANIFEST, stream_key
from headrace.online.manifest import read_streams
from headrace.online.read import TOO_EARLY, Asked, read
from headrace.online.states import states_of
from headrace.stores.memory import MemoryStore
from headrace.testing.driving import answers_of
from headrace.windows import FOREVER_AGO
from tests.online.small import (
    DAY,
    EPOCH,
    HOUR,
    MIDNIGHT,
    MINUTE,
    NOON,
    Click,
    answers,
    clicks,
    counting,
    ingest,
    load,
    values,
)

VIEW = counting()


@pytest.fixture
def store():
    return MemoryStore(FixedClock(NOON))


def push(store, *events, now=NOON, view=VIEW):
    return ingest(view).push(store, clicks(*events), now)


def instant_of(store, *, now=0, as_of=None, views=(VIEW,), users=("u",)):
    keys = [b"\x05%s\x00\x01" % user.encode() for user in users]
    asked = [Asked(view.id, states_of(view), keys, EPOCH) for view in views]
    with store.snapshot() as snapshot:
        return read(snapshot, asked, now, as_of).t


# --- the instant ---


def test_the_present_is_the_clock(store):
    push(store, Click(NOON - HOUR))
    assert instant_of(store, now=NOON) == NOON


def test_the_present_is_after_the_newest_event_merged_where_the_clock_lags(store):
    push(store, Click(NOON - 1), Click(NOON - HOUR, "v"))
    assert instant_of(store, now=NOON - MINUTE) == NOON
    assert instant_of(store, now=NOON - MINUTE, users=("v", "w")) == NOON - MINUTE
    assert instant_of(store, now=NOON - MINUTE, users=("v", "u")) == NOON


def test_the_present_is_at_least_the_end_of_every_load(store):
    other = counting(name="other")
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - 2))
    load(store, other, MIDNIGHT + DAY)
    assert instant_of(store, now=MIDNIGHT - HOUR) == MIDNIGHT
    assert instant_of(store, now=0, views=(VIEW, other)) == MIDNIGHT + DAY


def test_an_instant_asked_for_is_the_instant_answered(store):
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - 2))
    assert instant_of(store, now=NOON, as_of=MIDNIGHT) == MIDNIGHT
    assert instant_of(store, now=0, as_of=NOON + DAY) == NOON + DAY


# --- too early ---


def test_an_instant_up_to_the_newest_event_merged_is_too_early_for_that_entity(store):
    push(store, Click(NOON - 5), Click(NOON - 9, "v"))
    early = answers(store, VIEW, ["u", "v", "w"], as_of=NOON - 5)["n_all"]
    assert early == [(None, "INVALID", None), (1, "PRESENT", NOON - 9), (0, "PRESENT", None)]
    assert answers(store, VIEW, ["u"], as_of=NOON - 4)["n_all"] == [(1, "PRESENT", NOON - 5)]


def test_the_reason_is_given(store):
    push(store, Click(NOON - 5))
    with store.snapshot() as snapshot:
        keys = [b"\x05u\x00\x01", b"\x05v\x00\x01"]
        found = read(snapshot, [Asked(VIEW.id, states_of(VIEW), keys, EPOCH)], NOON, NOON - 5)
    assert found.columns[0]["n_1h"].reason == TOO_EARLY
    assert found.columns[0]["newest_7d"].values.to_pylist() == [None, None]


def test_who_is_not_too_early_keeps_their_own_reason(store):
    """u is too early, and would be truncated besides; v is truncated; w is neither."""
    view = counting([agg.count("kinds", by="item", windows=["7d"], max_keys=1)])
    push(store, Click(NOON - 5), Click(NOON - 6, item="j"), view=view)
    push(store, Click(NOON - 9, "v"), Click(NOON - 8, "v", item="j"), Click(NOON - 9, "w"), view=view)
    keys = [b"\x05u\x00\x01", b"\x05v\x00\x01", b"\x05w\x00\x01"]
    with store.snapshot() as snapshot:
        column = read(snapshot, [Asked(view.id, states_of(view), keys, EPOCH)], NOON, NOON - 5).columns[0]
    kinds = column["kinds_7d"]
    assert [STATUS_NAMES[code] for code in kinds.status] == ["INVALID", "INVALID", "PRESENT"]
    assert [reason_of(kinds, row) for row in (0, 1)] == [TOO_EARLY, "truncated"]
    assert kinds.to_list()[0] is None
    assert len(kinds.to_list()[1]) == 1
    assert kinds.newest.tolist() == [FOREVER_AGO, NOON - 8, NOON - 9]


def test_it_is_an_error_where_it_is_too_early_for_every_entity(store):
    push(store, Click(NOON - 5), Click(NOON - 3, "v"))
    with pytest.raises(AsOfTooEarly) as caught:
        values(store, VIEW, ["u", "v"], as_of=NOON - 5)
    assert caught.value.available == ("from 2024-10-04T11:59:59.999998Z",)


def test_an_instant_before_the_load_s_end_is_too_early_for_everybody(store):
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - HOUR))
    with pytest.raises(AsOfTooEarly):
        values(store, VIEW, ["u", "nobody"], as_of=MIDNIGHT - 1)
    assert values(store, VIEW, ["u", "nobody"], as_of=MIDNIGHT)["n_all"] == [1, 0]


def test_a_load_s_newest_event_is_known_before_its_end(store):
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - 1), Click(MIDNIGHT - HOUR, known=MIDNIGHT))
    assert values(store, VIEW, as_of=MIDNIGHT)["n_all"] == [1]


def test_one_view_too_early_spoils_its_own_columns_only(store):
    other = counting(name="other")
    push(store, Click(NOON - 5))
    push(store, Click(NOON - 9), view=other)
    keys = [b"\x05u\x00\x01", b"\x05v\x00\x01"]
    asked = [Asked(view.id, states_of(view), keys, EPOCH) for view in (VIEW, other)]
    with store.snapshot() as snapshot:
        found = read(snapshot, asked, NOON, NOON - 5)
    assert [each["n_all"].values.to_pylist() for each in found.columns] == [[None, 0], [1, 0]]


def test_it_is_an_error_where_every_entity_lacks_a_view(store):
    other = counting(name="other")
    push(store, Click(NOON - 5), Click(NOON - 9, "v"))
    push(store, Click(NOON - 9), Click(NOON - 5, "v"), view=other)
    with pytest.raises(AsOfTooEarly):
        instant_of(store, as_of=NOON - 5, views=(VIEW, other), users=("u", "v"))
    assert instant_of(store, as_of=NOON - 5, views=(VIEW, other), users=("u", "v", "w")) == NOON - 5


# --- which states ---


def test_a_view_without_any_state_says_so(store):
    with pytest.raises(StoreError, match="counts@1 has no state yet"):
        values(store, VIEW, now=NOON)


def test_the_present_generation_is_read_not_the_one_before(store):
    load(store, VIEW, MIDNIGHT - DAY, Click(MIDNIGHT - 2 * DAY))
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - 2 * DAY), Click(MIDNIGHT - HOUR))
    assert values(store, VIEW, now=NOON)["n_all"] == [2]


def test_epochs_before_the_end_are_covered_and_the_epoch_at_it_is_not(store):
    """Even where the stream has not forgotten them yet: the manifest decides."""
    push(store, Click(MIDNIGHT - 1), Click(MIDNIGHT - HOUR, known=MIDNIGHT), Click(NOON))
    load(store, VIEW, MIDNIGHT - DAY, now=NOON, by=ingest(VIEW))
    manifest = msgspec.json.decode(store.multi_get([MANIFEST])[0])
    for end, seen in ((MIDNIGHT - DAY, 3), (MIDNIGHT, 2), (MIDNIGHT + DAY, 0)):
        manifest["views"][VIEW.id]["known"] = end
        store.multi_put([(MANIFEST, msgspec.json.encode(manifest))])
        assert values(store, VIEW, now=MIDNIGHT + DAY)["n_all"] == [seen]


def test_every_partition_of_every_epoch_is_read(store):
    for partition, known in enumerate([MIDNIGHT - 1, NOON - 3, NOON - 2]):
        ingest(VIEW, partition=partition).push(store, clicks(Click(known, amount=partition)), NOON)
    ingest(VIEW, partition=0).push(store, clicks(Click(NOON - 1, amount=3)), NOON)
    assert values(store, VIEW, now=NOON) == {
        "n_1h": [3],
        "n_7d": [4],
        "n_all": [4],
        "total_7d": [0 + 1 + 2 + 3],
        "newest_7d": [3],
    }


def test_partials_are_read_in_the_order_of_time_whatever_their_own(store):
    times = [NOON - 2 * DAY, NOON - MINUTE, NOON - 3 * HOUR, NOON - 2 * MINUTE]
    for partition, time in enumerate(times):
        late = Click(time, known=NOON - 9 + partition, amount=partition)
        ingest(VIEW, partition=partition).push(store, clicks(late), NOON)
    found = values(store, VIEW, now=NOON)
    assert [found[name][0] for name in ("n_1h", "n_7d", "n_all", "newest_7d")] == [2, 4, 4, 1]


def test_epochs_of_another_definition_are_not_read_with_this_one_s(store):
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - 2))
    push(store, Click(NOON - 5))
    (stream,) = read_streams(store, [VIEW.id])
    other = msgspec.structs.replace(stream, states="of another definition")
    store.multi_put([(stream_key(VIEW.id), msgspec.json.encode(other))])
    with pytest.raises(StoreError, match="another definition"):
        values(store, VIEW, now=NOON)


def test_one_tile_in_a_generation_and_two_partials_is_whole(store):
    """Events of one tile, one of them loaded, two pushed through different partitions in different epochs."""
    time = MIDNIGHT - 30 * MINUTE
    load(store, VIEW, MIDNIGHT, Click(time, amount=1))
    ingest(VIEW, partition=1).push(store, clicks(Click(time + 1, known=MIDNIGHT + 1, amount=2)), NOON)
    ingest(VIEW, partition=0).push(store, clicks(Click(time + 2, known=NOON + DAY, amount=4)), NOON + DAY)
    found = values(store, VIEW, now=NOON + DAY + 1)
    assert (found["n_7d"], found["total_7d"], found["newest_7d"]) == ([3], [7], [4])


def test_entities_answer_in_the_order_asked_repeated_and_null_ones_too(store):
    push(store, Click(NOON - 2, "v", 5), Click(NOON - 1, "u", 3))
    found = values(store, VIEW, ["v", None, "u", "v", "nobody"], now=NOON)
    assert found["newest_7d"] == [5, None, 3, 5, None]
    assert found["n_all"] == [1, 0, 1, 1, 0]


def test_an_entity_of_which_all_waits_is_none_of_the_others(store):
    push(store, Click(NOON - 1, "u", known=NOON + HOUR), Click(NOON - 2, "v"))
    assert values(store, VIEW, ["u", "v"], now=NOON)["n_all"] == [0, 1]


def test_states_past_every_window_read_like_none(store):
    short = counting([agg.count("n", windows=["1h"]), agg.last("newest", "amount", windows=["1h"])])
    load(store, short, MIDNIGHT, Click(MIDNIGHT - 3 * HOUR), Click(MIDNIGHT - 1, "v"))
    asked = answers(store, short, ["u", "v", "nobody"], now=MIDNIGHT)
    assert asked["n_1h"] == [(0, "PRESENT", None), (1, "PRESENT", MIDNIGHT - 1), (0, "PRESENT", None)]
    assert asked["newest_1h"][0] == asked["newest_1h"][2] == (None, "NOT_FOUND", None)


def test_features_not_asked_for_are_not_answered(store):
    push(store, Click(NOON - 3 * HOUR, amount=2), Click(NOON - 1, amount=5))
    keys = [b"\x05u\x00\x01"]
    with store.snapshot() as snapshot:
        found = read(snapshot, [Asked(VIEW.id, states_of(VIEW, ["n_7d"]), keys, EPOCH)], NOON)
    assert list(found.columns[0]) == ["n_7d"]
    whole = answers(store, VIEW, now=NOON)
    for name in whole:
        with store.snapshot() as snapshot:
            alone = read(snapshot, [Asked(VIEW.id, states_of(VIEW, [name]), keys, EPOCH)], NOON)
        assert answers_of(alone.columns[0]) == {name: whole[name]}
