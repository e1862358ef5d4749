"""CSV: delimiters, headers, quotes, and lines that are no rows."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from headrace.errors import DataError
from tests.reading.batches import rejects_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    lines = [
        ["ts", "user", "n", "beside"],
        ["2024-01-01", "a,b;c|d\te", "1", 'say "no"'],
        ["2024-01-01", "é", "2", ""],
    ]
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines[1:]]
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([delimiter.join(lines[0]), *quoted, ""]).encode())
    got, told, _ = rejects_of(path)
    assert got.column("user").to_pylist() == ["a,b;c|d\te", "é"]
    assert got.column("n").to_pylist() == [1, 2]
    assert told == []


def test_a_quoted_empty_field_is_an_empty_text_and_an_empty_one_null(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('user,ts,n\n"",2024-01-01,\nü,2024-01-01,1\n,2024-01-01,2\nu,2024-01-01,""\n')
    rows, rejects, counts = rejects_of(path)
    assert rows.column("user").to_pylist() == ["", "ü"]
    assert rows.column("n").to_pylist() == [None, 1]
    assert [reject["rule"] for reject in rejects] == ["no_key", "uncastable"]
    assert counts["good"] == 2


def test_lines_that_are_no_rows_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"user,ts,n\nu1,2024-01-01,1\nu2,2024-01-01\nu3,2024-01-01,3,4,5\nu4,\xff,1\n\n"
        b"u5,2024-01-01,five\nu6,2024-01-01,6\n"
    )
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["u1", "u6"]
    assert [row["rule"] for row in told] == ["uncastable", "malformed", "malformed", "malformed"]
    assert [json.loads(row["row"]) for row in told[1:3]] == ["u2,2024-01-01", "u3,2024-01-01,3,4,5"]
    assert told[1]["reason"] == "line 3: Expected Number of Columns: 3 Found: 2"
    assert all(row["ordinal"] is None and row["origin"] == str(path) for row in told[1:])
    assert counts["rows"] == 6 == counts["good"] + counts["rejected"]
    assert counts["malformed"] == 3


def test_an_unclosed_quote_spoils_what_follows_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('user,ts,n\nu1,2024-01-01,1\n"u2,2024-01-01,2\nu3,2024-01-01,3\n')
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["u1"]
    assert {row["rule"] for row in told} == {"malformed"}
    assert counts["rows"] == counts["good"] + counts["rejected"]


def test_a_gzipped_csv_and_a_header_alone(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write("user,ts,n\nu1,2024-01-01,1\n")
    (tmp_path / "b.csv").write_text("user,ts,n\n")
    assert rejects_of(tmp_path / "a.csv.gz")[0].num_rows == 1
    assert rejects_of(tmp_path / "b.csv")[0].num_rows == 0


@pytest.mark.parametrize(
    ("header", "message"), [("user,ts,user", "names 'user' twice"), ("user,,ts", "has no name for a column")]
)
def test_a_header_must_name_its_columns(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(header + "\n1,2,3\n")
    with pytest.raises(DataError, match=f"The header of file '.*a.csv' {message}"):
        rejects_of(tmp_path / "a.csv")


def test_a_csv_without_a_column_of_the_schema(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,time,n\n1,2024-01-01,3\n")
    with pytest.raises(DataError, match=r"The file '.*a\.csv' has no column 'ts'\. Available: user, time, n"):
        rejects_of(tmp_path / "a.csv")
