"""An earlier layout lies beside the present one until that holds its views; logs outlive both."""

from __future__ import annotations

import json
import struct

import pytest

from headrace.clock import FixedClock
from headrace.errors import StoreError
from headrace.intake.rejects import no_rejects
from headrace.kernel.parts import BUCKETS
from headrace.keys import decode_key, encode_key
from headrace.online.loading import load_views
from headrace.online.log import Log
from headrace.online.materialize import Load
from headrace.ports.engine import Part
from headrace.stores.lmdb import LmdbStore
from tests.online.small import (
    DAY,
    EPOCH,
    HOUR,
    MIDNIGHT,
    NOON,
    Click,
    Fed,
    clicks,
    counting,
    ingest,
    newest,
    values,
)

VIEWS = [counting(), newest()]
PUSHED = Click(NOON - HOUR, event="e", amount=3)
LOADED = Click(MIDNIGHT - DAY, amount=4)


@pytest.fixture
def store(tmp_path):
    with LmdbStore(tmp_path / "online", sync="kill", clock=FixedClock(NOON)) as opened:
        yield opened


def layout_1(*views):
    """What layout 1 kept of some views, byte for byte as far as anybody looks at it."""
    manifest = {"layout": 1, "views": {view: {"known": MIDNIGHT, "generation": 0} for view in views}}
    record = struct.pack("<BqqqI", 1, NOON, -1, 0, 1) + b"?"
    return [
        (encode_key(("manifest",)), json.dumps(manifest).encode()),
        *((encode_key(("stream", view)), b'{"epochs":{"20000":[0]},"states":"s"}') for view in views),
        *((encode_key(("loading", view)), b'{"writer":0}') for view in views),
        *((encode_key(("generation", view, 0, "u")), record) for view in views),
        *((encode_key(("epoch", view, 20000, 0, "u")), record) for view in views),
    ]


def layout_2(*views):
    """What layout 2 kept of some views."""
    loaded = {"known": MIDNIGHT, "generation": 0, "segments": [{"number": 0}], "states": "s", "loaded_at": 0}
    record = struct.pack("<BqqqI", 1, NOON, -1, 0, 1) + b"?"
    return [
        (
            encode_key(("manifest 2",)),
            json.dumps({"layout": 2, "views": dict.fromkeys(views, loaded)}).encode(),
        ),
        *((encode_key(("stream 2", view)), b'{"epochs":{"20000":[0]},"states":"s"}') for view in views),
        *((encode_key(("loading 2", view)), b'{"writer":0}') for view in views),
        *((encode_key(("inputs", view)), b'{"meaning":"m","files":{}}') for view in views),
        (encode_key(("s", 0, "u")), record),
        *((encode_key(("e", view, 0, 20000, 0, "u")), record) for view in views),
        (encode_key(("next segment",)), (1).to_bytes(8, "little")),
    ]


LAYOUTS = {"1": layout_1, "2": layout_2, "both": lambda *views: [*layout_1(*views), *layout_2(*views)]}


def kinds(store):
    """What there is, by the first part of the keys."""
    return {parts[0] for key, _ in store.scan(b"") if (parts := decode_key(key))}


def materialized(store, *views):
    """A load of some views, as the command does it."""
    parts = [Part(clicks(LOADED), no_rejects(), BUCKETS)]
    loads = [Load(view, MIDNIGHT, NOON, EPOCH, ingest=ingest(*VIEWS)) for view in views]
    return list(load_views(store, Fed(parts), loads, lambda *_: None))


@pytest.mark.parametrize("which", LAYOUTS)
def test_a_load_of_all_its_views_takes_the_place_of_an_earlier_layout(store, which):
    ingest(*VIEWS).push(store, clicks(PUSHED), NOON)
    pushed = kinds(store)
    earlier = LAYOUTS[which](*(view.id for view in VIEWS))
    store.multi_put(earlier)
    materialized(store, VIEWS[0])
    assert [store.multi_get([key]) for key, _ in earlier if b"next" not in key] == [
        [value] for key, value in earlier if b"next" not in key
    ], "whoever runs the earlier Headrace reads on"
    materialized(store, VIEWS[1])
    loaded = {"manifest 3", "loading 3", "inputs 3", "next segment", "tally"}
    assert {kind for kind in kinds(store) if isinstance(kind, str)} == pushed | loaded
    assert values(store, VIEWS[0], now=NOON)["total_7d"] == [3 + 4]
    assert values(store, VIEWS[1], now=NOON)["amount"] == [3]


def test_what_is_pushed_to_a_store_of_an_earlier_layout_joins_what_was_pushed_before(store):
    """A source without a batch is never loaded: the log has all there is of it; the next push reads it."""
    ingest(*VIEWS).push(store, clicks(PUSHED), NOON)
    for prefix in ("stream 3", "epoch 3"):
        store.delete_prefix(encode_key((prefix,)))  # as an earlier Headrace has left it
    store.multi_put(layout_2(*(view.id for view in VIEWS)))
    for view in VIEWS:
        with pytest.raises(StoreError, match="no state yet"):
            values(store, view, now=NOON)
    ingest(*VIEWS).push(store, clicks(PUSHED, Click(NOON - 2, event="f", amount=5)), NOON)
    assert values(store, VIEWS[0], now=NOON)["total_7d"] == [3 + 5]
    assert values(store, VIEWS[1], now=NOON)["amount"] == [5]
    assert len(list(Log("clicks").entries(store))) == 2


def test_what_a_clearing_that_died_has_left_goes_with_the_next_load(store):
    store.multi_put(layout_2(VIEWS[0].id)[1:])
    materialized(store, VIEWS[0])
    assert not {"stream 2", "loading 2", "inputs", "s", "e"} & kinds(store)


def test_what_was_only_streamed_in_an_earlier_layout_stays_until_it_is_streamed_again(store):
    ingest(*VIEWS).push(store, clicks(PUSHED), NOON)
    store.delete_prefix(encode_key(("stream 3", VIEWS[1].id)))
    store.multi_put([(encode_key(("stream 2", VIEWS[1].id)), b"{}")])
    materialized(store, VIEWS[0])
    assert "stream 2" in kinds(store)
    ingest(*VIEWS).push(store, clicks(Click(NOON - 2 * HOUR, event="f", amount=5)), NOON)
    assert values(store, VIEWS[1], now=NOON)["amount"] == [3]
    materialized(store, VIEWS[0])
    assert "stream 2" not in kinds(store)
