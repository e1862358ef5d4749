"""Sections come out of a record as they went in, whatever their number and lengths."""

from __future__ import annotations

import pytest

from headrace.kernel.sections import cut, joined

SECTIONS = {
    "one": [[b"a", b"", b"bc"]],
    "short": [[b"a", b"x" * 255], [b"", b"y"], [b"last", b""]],
    "two bytes a length": [[b"a" * 256, b""], [b"b" * 65_535, b"c"], [b"z" * 100_000, b""]],
    "one byte is too short": [[b"a" * 256], [b"b"]],
    "four bytes a length": [[b"a" * 65_536], [b"b"]],
    "none": [[], []],
}


@pytest.mark.parametrize("which", SECTIONS)
def test_sections_survive_their_record(which):
    sections = SECTIONS[which]
    records = joined(sections)
    assert cut(records, len(sections)) == sections
    views = cut([memoryview(b"?" + record)[1:] for record in records], len(sections))
    assert [[bytes(part) for part in parts] for parts in views] == sections


def test_a_record_takes_little_room_beside_its_sections():
    assert joined(SECTIONS["one"]) == SECTIONS["one"][0]
    assert [len(record) - len(b"".join(parts)) for record, parts in _beside("short")] == [3, 3]
    assert [len(record) - len(b"".join(parts)) for record, parts in _beside("two bytes a length")] == [5, 3]
    assert [len(record) - len(b"".join(parts)) for record, parts in _beside("four bytes a length")] == [5]


def _beside(which):
    return zip(joined(SECTIONS[which]), zip(*SECTIONS[which], strict=True), strict=True)
