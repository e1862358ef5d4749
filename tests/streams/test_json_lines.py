from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from headrace.errors import UnreachableError
from headrace.streams.json_lines import JsonLinesFile
from headrace.testing.event_stream import EventStreamSuite, taken, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

EVER = 0


class Writer:
    """A file somebody writes to, and rotates."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, partition: int, values: Sequence[bytes]) -> None:
        assert partition == 0
        with self.path.open("ab") as file:
            file.writelines(value + b"\n" for value in values)

    def open(self) -> JsonLinesFile:
        return JsonLinesFile(self.path)


@pytest.fixture
def broker(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "ads.jsonl")


@pytest.fixture
def stream(broker: Writer) -> Iterator[JsonLinesFile]:
    stream = begun(broker)
    yield stream
    stream.close()


def begun(broker: Writer, after: str | None = None) -> JsonLinesFile:
    stream = broker.open()
    stream.begin("ads.jsonl", after, EVER)
    return stream


def read(stream: JsonLinesFile, count: int) -> list[bytes | None]:
    (found,) = taken(stream, count).values()
    return values_of(found)


def after_of(stream: JsonLinesFile, count: int) -> str:
    (found,) = taken(stream, count).values()
    return found[-1].after


class TestJsonLinesFile(EventStreamSuite):
    partitions = 1

    @pytest.fixture
    def broker(self, broker: Writer) -> Writer:
        return broker


def test_a_line_is_taken_when_it_is_whole(broker, stream):
    with broker.path.open("ab") as file:
        for piece in (b'{"a"', b": 1", b"}"):
            file.write(piece)
            file.flush()
            assert stream.take(10, 0) == []
        file.write(b"\n")
    assert read(stream, 1) == [b'{"a": 1}']


def test_blank_lines_and_a_byte_order_mark_are_nothing(broker, stream):
    broker.write(0, [b"\xef\xbb\xbfa", b"", b"  ", b"\r", b"b"])
    assert read(stream, 2) == [b"a", b"b"]


def test_a_rotated_file_is_read_to_its_end_first(broker, stream, tmp_path):
    broker.write(0, [b"a", b"b"])
    assert read(stream, 2) == [b"a", b"b"]
    late = broker.path.open("ab")
    broker.path.rename(tmp_path / "ads.jsonl.1")
    broker.write(0, [b"d", b"e"])
    late.write(b"c")  # by who had it open; and its last line has no end
    late.close()
    assert read(stream, 3) == [b"c", b"d", b"e"]


@pytest.mark.parametrize("naming", ["ads.jsonl.{0}", "ads.jsonl-2026030{1}"])
def test_files_rotated_while_nobody_read_are_read_in_their_order(broker, tmp_path, naming):
    broker.write(0, [b"0"])
    stream = begun(broker)
    after = after_of(stream, 1)
    stream.close()
    broker.write(0, [b"0'"])
    for turn in range(1, 4):
        path = tmp_path / naming.format(4 - turn, turn)
        broker.path.rename(path)
        os.utime(path, ns=(turn, turn))
        broker.write(0, [b"%d" % turn, b"%d'" % turn])
    stream = begun(broker, after)
    assert read(stream, 7) == [b"0'", b"1", b"1'", b"2", b"2'", b"3", b"3'"]
    assert stream.take(10, 0) == []
    stream.close()


def test_a_position_in_a_rotated_file_finds_it_under_its_new_name(broker, tmp_path):
    broker.write(0, [b"a", b"b", b"c"])
    stream = begun(broker)
    ((first,),) = taken(stream, 1, limit=1).values()
    stream.close()
    broker.path.rename(tmp_path / "ads.jsonl.1")
    broker.write(0, [b"d"])
    stream = begun(broker, first.after)
    assert read(stream, 3) == [b"b", b"c", b"d"]
    stream.close()


def test_a_file_of_the_same_name_and_inode_is_another_if_it_begins_otherwise(broker):
    broker.write(0, [b"a", b"b"])
    stream = begun(broker)
    after = after_of(stream, 2)
    stream.close()
    broker.path.write_bytes(b"x\ny\nz\n")  # the inode stays
    stream = begun(broker, after)
    ((found,),) = taken(stream, 3).values()
    assert found.values == [b"x", b"y", b"z"]
    assert "byte 4 is gone" in found.gap
    stream.close()


def test_a_file_that_is_cut_is_read_from_its_beginning_and_the_gap_is_told(broker, stream):
    broker.write(0, [b"a", b"b"])
    read(stream, 2)
    os.truncate(broker.path, 0)
    broker.write(0, [b"c"])
    ((found,),) = taken(stream, 1).values()
    assert (found.values, found.gap) == ([b"c"], "ads.jsonl was cut to 2 bytes when 4 were read")
    broker.write(0, [b"d"])
    ((found,),) = taken(stream, 1).values()
    assert (found.values, found.gap) == ([b"d"], "")


def test_files_of_other_names_and_packed_ones_are_left_alone(broker, stream, tmp_path):
    for name in ("ads.jsonl.1.gz", "ads.jsonl2", "other.jsonl", "ads"):
        (tmp_path / name).write_bytes(b"no\n")
    (tmp_path / "ads.jsonl.d").mkdir()
    broker.write(0, [b"a"])
    assert read(stream, 1) == [b"a"]
    assert stream.take(10, 0) == []


def test_a_line_longer_than_anybody_takes_is_cut_and_the_next_is_whole(broker, stream):
    long = b'{"a": "' + b"x" * (9 << 20) + b'"}'
    broker.write(0, [b"a", long, b"b"])
    first, second, third = read(stream, 3)
    assert (first, third) == (b"a", b"b")
    assert second == long[: (1 << 20) + 1]
    assert stream.behind("ads.jsonl") == 0


def test_how_many_bytes_are_left_is_told(broker, stream):
    broker.write(0, [b"abc", b"de"])
    assert stream.behind("ads.jsonl") == 7
    taken(stream, 1, limit=1)
    assert stream.behind("ads.jsonl") == 3


def test_what_cannot_be_read_now_may_be_later(broker, stream):
    broker.path.mkdir()
    with pytest.raises(UnreachableError, match="cannot be read"):
        stream.take(10, 0)
    broker.path.rmdir()
    broker.write(0, [b"a"])
    assert read(stream, 1) == [b"a"]
