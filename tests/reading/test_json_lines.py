"""JSON Lines: lines that are no objects, and documents that are not lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from headrace.errors import DataError
from headrace.reading.schema import infer_schema
from tests.reading.batches import rejects_of, source

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_that_are_no_objects_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        '{"user": 1, "ts": "2024-01-01", "n": 1.0, "beside": {"deep": [1]}}',
        "no json", "", "[1, 2]", "5", "{}",
        '{"n": 9007199254740993, "ts": "2024-01-01T10:00:00+02:00", "user": "é\\ud83d\\ude00"}',
        '{"user": null, "ts": null}',
        '{"ts": "2024-01-01", "user": "u", "n": 1.5}', '{"ts": "2024-01-01", "user": "u"}', '{"user": "cut',
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["1", "é😀", "u"]
    assert got.column("n").to_pylist() == [1, 2**53 + 1, None]
    assert [row["rule"] for row in told] == [
        "uncastable",
        *["malformed"] * 3,
        "no_time",
        "no_time",
        "malformed",
    ]
    assert [row["reason"].split(":")[0] for row in told[1:]] == [f"line {n}" for n in (2, 4, 5, 6, 8, 11)]
    assert [json.loads(row["row"]) for row in told[1:]] == [
        "no json",
        "[1, 2]",
        "5",
        {},
        {"user": None, "ts": None},
        '{"user": "cut',
    ]
    assert counts["rows"] == 10 == counts["good"] + counts["rejected"]


def test_bytes_that_are_no_utf8_spoil_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"user": "\xff", "ts": "2024-01-01"}\n{"user": "u", "ts": "2024-01-01"}\n')
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["u"]
    assert [row["rule"] for row in told] == ["malformed"]
    assert counts["rows"] == 2


def test_a_json_document_is_not_json_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"user": 1,\n"ts": "2024-01-01"}]')
    with pytest.raises(DataError, match=r"a\.json' is one JSON document, not JSON Lines"):
        rejects_of(tmp_path / "a.json")
    with pytest.raises(DataError, match="one JSON document"):
        infer_schema(source(str(tmp_path / "a.json")))
