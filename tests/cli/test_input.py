"""What the command line reads: rows to push, entities, request values."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from headrace.cli.choosing import context_of, entities_of
from headrace.cli.rows import read_rows
from headrace.errors import DataError

ROWS = [{"user_id": "u1", "price": "0.5"}, {"user_id": "u2", "price": None}]


def test_rows_of_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = '{"user_id": "u1", "price": "0.5"}\n\n{"user_id": "u2", "price": null}\n'
    (tmp_path / "rows.jsonl").write_text(lines)
    (tmp_path / "rows.csv").write_text("user_id,price\nu1,0.5\nu2,\n")
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.jsonl") == ROWS
    assert read_rows(tmp_path / "rows.csv") == ROWS
    assert read_rows(tmp_path / "rows.parquet").to_pylist() == ROWS
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "rows.tsv").write_text("user_id\tprice\nu1\t0.5\nu2\t\n")
    assert read_rows(tmp_path / "rows.jsonl.gz") == ROWS
    assert read_rows(tmp_path / "rows.tsv") == ROWS
    assert read_rows(None, lines.splitlines()) == ROWS
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert read_rows(Path("-")) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("rows.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
        ("rows.jsonl", b"\xff\xfe", "cannot be read"),
        ("rows.csv", b'a,b\n"1', "cannot be read"),
        ("rows.csv", b"a,b\n1\n", "Expected 2 columns, got 1"),
        ("rows.csv", b"a,b\n\xff,\n", "cannot be read"),
        ("rows.csv", b"", "Empty CSV file"),
        ("rows.parquet", b"no", "cannot be read"),
        ("rows.jsonl.gz", b"no", "cannot be read"),
        ("rows.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-9], "cannot be read"),
        ("rows.xlsx", b"", "no form that can be pushed"),
    ],
)
def test_a_file_that_is_not_rows(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_rows(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.remedy


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(tmp_path / "rows.csv")


def test_a_quoted_empty_field_is_an_empty_text_and_an_empty_one_null(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('a,b\n"",\n,007\n')
    assert read_rows(tmp_path / "rows.csv") == [{"a": "", "b": None}, {"a": None, "b": "007"}]


def test_entities() -> None:
    assert entities_of(["user_id=u1,u2"]) == {"user_id": ["u1", "u2"]}
    assert entities_of(["user_id=u1", "user_id=u2", "ad=1,2"]) == {"user_id": ["u1", "u2"], "ad": ["1", "2"]}
    assert entities_of(['user_id=["a,b", 7]']) == {"user_id": ["a,b", 7]}
    assert entities_of(["user_id=a=b"]) == {"user_id": ["a=b"]}
    assert entities_of([]) == {}


def test_request_values() -> None:
    given = ["hour=12", 'words=["a", "b"]', "city=Graz", "flag=true", "id=007"]
    assert context_of(given) == {"hour": 12, "words": ["a", "b"], "city": "Graz", "flag": True, "id": "007"}
