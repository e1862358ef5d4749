"""What cannot be read is one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.definitions.source import InMemory
from headrace.errors import DataError
from headrace.reading.schema import infer_schema
from headrace.reading.source import read
from tests.reading.batches import SCHEMA, parquet, source, table


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            "nothing.parquet",
            r"There is no file '.*nothing\.parquet', the batch of source 'events'\. Available: a\.csv, ",
        ),
        ("nothing/*.parquet", r"No file matches 'nothing/\*\.parquet', the batch of source 'events'\."),
        ("*.pq", r"No file matches '\*\.pq'.*Available: a\.csv, "),
        (".", "is a directory"),
        ("empty.parquet", r"empty\.parquet' of source 'events' is empty"),
        ("empty.csv", r"empty\.csv' of source 'events' is empty"),
        ("a.xlsx", r"a\.xlsx' of source 'events' is of no known kind.*Available: \.parquet"),
        ("a.gz", "is of no known kind"),
        ("a.*", r"mixes '.*a\.csv' and '.*a\.jsonl'"),
        ("garbage.parquet", r"The file '.*garbage\.parquet' cannot be read: No magic bytes"),
        ("cut.parquet", r"The file '.*cut\.parquet' cannot be read: "),
        ("garbage.csv.gz", r"The file '.*garbage\.csv\.gz' cannot be read: "),
        ("mixed.csv", r"The file '.*mixed\.csv' cannot be read: .*all its lines end alike"),
        ("mac.csv", r"The header of file '.*mac\.csv' does not end"),
        ("latin.csv", r"latin\.csv' is not written in UTF-8"),
        ("s3://bucket/a.parquet", "Only local files are read"),
        (None, "Source 'events' has no batch"),
        (InMemory(), "was a table in memory, which the registry does not keep"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, batch: Any, message: str) -> None:
    for name in ("empty.parquet", "empty.csv"):
        (tmp_path / name).touch()
    for name in ("a.csv", "a.jsonl", "a.xlsx", "a.gz"):
        (tmp_path / name).write_text("user,ts\n1,2024-01-01\n")
    header, line = ",".join(SCHEMA).encode(), ",".join("1" for _ in SCHEMA).encode()
    (tmp_path / "mixed.csv").write_bytes(header + b"\r\n" + line + b"\n" + line + b"\r\n")
    (tmp_path / "mac.csv").write_bytes(b"user,ts\r1,2024-01-01\r")
    (tmp_path / "garbage.parquet").write_bytes(b"garbage" * 100)
    (tmp_path / "garbage.csv.gz").write_bytes(b"garbage" * 100)
    (tmp_path / "latin.csv").write_bytes("größe,ts\n1,2\n".encode("latin-1"))
    whole = Path(parquet(tmp_path / "cut.parquet", table(5))).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    (tmp_path / "a.jsonl").write_text('{"user": 1}\n')
    given_source = source(batch, schema=SCHEMA)
    for ask in (
        lambda: next(read(given_source, SCHEMA, directory=tmp_path)),
        lambda: infer_schema(given_source, directory=tmp_path),
    ):
        if batch == "a.*":
            (tmp_path / "a.xlsx").unlink(missing_ok=True)
            (tmp_path / "a.gz").unlink(missing_ok=True)
        with pytest.raises(DataError, match=message) as caught:
            ask()
        assert caught.value.remedy


def test_a_damaged_page_is_one_clear_error(tmp_path: Path) -> None:
    path = Path(parquet(tmp_path / "a.parquet", table(5_000), compression="gzip"))
    whole = bytearray(path.read_bytes())
    whole[100:2_000] = bytes(1_900)
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"The file '.*a\.parquet' cannot be read"):
        read(source(str(path)), SCHEMA).whole()


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(parquet(tmp_path / "a.parquet", table(1)))
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read everything
    with pytest.raises(DataError, match=r"a\.parquet' of source 'events' may not be read"):
        next(read(source(str(path)), SCHEMA))
