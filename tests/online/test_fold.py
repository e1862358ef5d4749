"""Records: what events do to them, and what keeps offsets, writers and instants apart."""

from __future__ import annotations

import numpy as np
import pytest

from headrace import agg
from headrace.clock import HOUR
from headrace.errors import ConflictError, StoreError
from headrace.online.record import NO_OFFSET, Record, Stamp, decode_record, encode_record, frontier_of
from headrace.online.states import states_of
from headrace.windows import FOREVER_AGO
from tests.online.small import NOON, Click, clicks, counting, newest

VIEWS = [counting(), newest()]


def fold(view, existing, *events, now=NOON, offset=0, writer=0, group=None):
    """One record after some events; with `group`, several."""
    codes = np.zeros(len(events), np.int64) if group is None else np.array(group)
    many = existing if isinstance(existing, list) else [existing]
    after = states_of(view).fold(clicks(*events), codes, many, Stamp(now, offset, writer))
    return after if isinstance(existing, list) else after[0]


def amount(view, data, t):
    """The newest amount at an instant."""
    columns = states_of(view).read([data], np.array([0]), 1, t)
    column = columns["newest_7d" if "newest_7d" in columns else "amount"]
    return column.values[0].as_py()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.id)
class TestFold:
    def test_the_frontier_is_the_newest_known_instant_merged(self, view):
        record = fold(
            view, None, Click(NOON - 9, known=NOON - 3), Click(NOON - 5), Click(NOON, known=NOON + 1)
        )
        assert frontier_of(record) == decode_record(record).frontier == NOON - 3
        assert frontier_of(fold(view, record, Click(NOON - 7), offset=1)) == NOON - 3
        assert frontier_of(fold(view, record, Click(NOON - 7, known=NOON - 1), offset=1)) == NOON - 1
        assert frontier_of(fold(view, record, Click(NOON - 7), offset=1, now=NOON + 1)) == NOON + 1
        assert frontier_of(fold(view, None, Click(NOON, known=NOON + 1))) == FOREVER_AGO

    def test_an_event_known_at_the_clock_is_merged_and_one_known_later_waits(self, view):
        record = fold(view, None, Click(NOON - 1, known=NOON), Click(NOON - 2, known=NOON + 1))
        assert decode_record(record).pending
        assert frontier_of(record) == NOON
        moved = fold(view, record, offset=1, now=NOON + 1)
        assert not decode_record(moved).pending
        assert frontier_of(moved) == NOON + 1

    def test_what_waits_is_kept_while_others_are_merged(self, view):
        record = fold(view, None, Click(NOON - 3, known=NOON + 7, amount=7))
        record = fold(view, record, Click(NOON - 4, known=NOON + 3, amount=3), offset=1)
        record = fold(view, record, Click(NOON - 9, known=NOON - 9, amount=9), offset=2, now=NOON + 5)
        assert [amount(view, record, NOON + t) for t in (6, 7, 8)] == [3, 3, 7]

    def test_an_offset_is_applied_once(self, view):
        record = fold(view, None, Click(NOON - 5, amount=1), offset=3)
        for offset in (3, 2):
            assert fold(view, record, Click(NOON - 1, amount=2), offset=offset) == record
        assert amount(view, fold(view, record, Click(NOON - 1, amount=2), offset=4), NOON) == 2
        assert decode_record(record).offset == 3

    def test_each_record_has_its_own_offset(self, view):
        old, new = (fold(view, None, Click(NOON - 5, amount=1), offset=offset) for offset in (3, 4))
        events = [Click(NOON - 1, amount=2), Click(NOON - 1, amount=3), Click(NOON - 1, amount=4)]
        after = fold(view, [old, new, None], *events, offset=4, group=[0, 1, 2])
        assert [amount(view, record, NOON) for record in after] == [2, 1, 4]
        assert [decode_record(record).offset for record in after] == [4, 4, 4]

    def test_a_writer_that_was_replaced_writes_nothing_any_more(self, view):
        record = fold(view, None, Click(NOON - 5), writer=2)
        assert decode_record(record).writer == 2
        with pytest.raises(ConflictError, match="Writer 2 has taken over from writer 1"):
            fold(view, [None, record], Click(NOON - 1), offset=1, writer=1, group=[0])
        assert decode_record(fold(view, record, Click(NOON - 1), offset=1, writer=3)).writer == 3

    def test_records_of_a_load_have_no_offset_and_nothing_that_waits(self, view):
        events = clicks(Click(NOON - 9, known=NOON - 2), Click(NOON - 3), Click(NOON - 8))
        records = states_of(view).load(events, np.array([0, 0, 1]), 2, NOON)
        for record in records:
            assert decode_record(record)._replace(tiles=b"") == Record(FOREVER_AGO, NO_OFFSET, 0)
            assert frontier_of(record) == FOREVER_AGO
            assert record[1:] == decode_record(record).tiles, "one byte more than its tiles"


def test_a_load_keeps_no_record_that_no_window_reaches():
    view = counting([agg.count("n", windows=["1h"])])
    events = clicks(Click(NOON - 2 * HOUR), Click(NOON - HOUR))
    gone, kept = states_of(view).load(events, np.array([0, 1]), 2, NOON)
    assert gone is None
    assert kept is not None


def test_a_record_survives_its_bytes():
    for record in (Record(), Record(-5, 3, 2, b"tiles", b"pending"), Record(2**62, 2**40, 1, b"", b"p")):
        assert decode_record(encode_record(record)) == record
        assert frontier_of(encode_record(record)) == record.frontier


@pytest.mark.parametrize("data", [bytes([1]) + encode_record(Record())[1:], b"\x09", b"", b"\x03a", b"\x04"])
def test_what_is_no_record_is_refused(data):
    with pytest.raises(StoreError, match="damaged"):
        decode_record(data)
    assert isinstance(frontier_of(data), int), "whoever looks at the frontier first hears of it later"


def test_the_fingerprint_tells_states_apart_not_names():
    one = counting([agg.count("a", windows=["1h"])])
    same = counting([agg.count("b", windows=["1h"], description="other words")])
    others = [
        counting([agg.count("a", windows=["2h"])]),
        counting([agg.count("a", windows=["1h", "2h"])]),
        counting([agg.count("a", windows=["1h"], where="amount > 0")]),
        counting([agg.count("a", windows=["1h"], by="item")]),
    ]
    assert states_of(one).fingerprint == states_of(same).fingerprint
    assert len({states_of(each).fingerprint for each in (one, *others)}) == 5
