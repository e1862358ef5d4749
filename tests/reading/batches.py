"""Batches to read: one table, written in every form."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.definitions.source import EventSource
from headrace.reading.source import read
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

SCHEMA = Schema(
    {
        "user": "string",
        "ts": "timestamp",
        "at": "timestamp",
        "price": "decimal(12,4)",
        "x": "double",
        "n": "int64",
    }
    | {"ok": "bool", "day": "date", "tags": "list<string>"}
)
NOON = 1_711_886_400_000_000


def source(batch: Any, **options: Any) -> EventSource:
    return EventSource("events", batch=batch, timestamp="ts", **options)


def table(size: int = 5, **columns: Any) -> pa.Table:
    rows = range(size)
    whole = {
        "user": [f"u{i % 3}" for i in rows],
        "ts": pa.array([NOON + i * 1_000_000 for i in rows], pa.timestamp("us", "UTC")),
        "at": pa.array([None if i % 2 else NOON + i * 1_000_000 for i in rows], pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal(i).scaleb(-1) for i in rows], pa.decimal128(12, 4)),
        "x": [i / 4 for i in rows],
        "n": list(rows),
        "ok": [i % 2 == 0 for i in rows],
        "day": pa.array([dt.date(2024, 2, 29)] * size),
        "tags": pa.array([["a", "b,c"], [], None][i % 3] for i in rows),
    }
    return pa.table(whole | columns)


def write(rows: pa.Table, path: Path) -> Path:
    """Write a table as its suffix says."""
    if path.suffix == ".parquet":
        pq.write_table(rows, path, row_group_size=3)
        return path
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(json.dumps(row, default=text) + "\n" for row in rows.to_pylist())
    return path


def text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def as_csv(rows: pa.Table, path: Path) -> Path:
    lines = [",".join(rows.column_names)]
    lines += [",".join(field(value) for value in row.values()) for row in rows.to_pylist()]
    path.write_text("\n".join(lines) + "\n")
    return path


def field(value: Any) -> str:
    if value is None:
        return ""
    shown = json.dumps(value) if isinstance(value, list) else "true" if value is True else text(value)
    return '"' + shown.replace('"', '""') + '"' if any(sign in shown for sign in ',"\n') else shown


WRITERS = {
    "parquet": lambda rows, path: write(rows, path / "e.parquet"),
    "csv": lambda rows, path: as_csv(rows, path / "e.csv"),
    "jsonl": lambda rows, path: write(rows, path / "e.jsonl"),
    "jsonl.gz": lambda rows, path: write(rows, path / "e.jsonl.gz"),
    "memory": lambda rows, path: rows,  # noqa: ARG005
    "pandas": lambda rows, path: rows.to_pandas(types_mapper=pd.ArrowDtype),  # noqa: ARG005
    "polars": lambda rows, path: pl.from_arrow(rows),  # noqa: ARG005
}


def parquet(path: Path, rows: pa.Table, **options: Any) -> str:
    pq.write_table(rows, path, **options)
    return str(path)


SMALL = Schema({"user": "string", "ts": "timestamp", "n": "int64"})


def rejects_of(path: Path, schema: Schema = SMALL) -> tuple[pa.Table, list[dict[str, Any]], Counter[str]]:
    told: list[pa.Table] = []
    reading = read(source(str(path)), schema, keys=["user"], on_rejected=told.append)
    return reading.whole(), [row for part in told for row in part.to_pylist()], reading.counts
