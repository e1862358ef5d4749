"""Seeded advertising logs, written once as Parquet and kept under `.bench/`.

Rows are drawn chunk by chunk, each chunk from its own child seed and its own slice of the span: 64 million
events need the memory of one million, and the file is in time order, as logs are.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.inputs import START_US, US_PER_DAY, US_PER_SECOND, Inputs, Log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_ROWS: Final = 1 << 20
ROW_GROUP_ROWS: Final = 1 << 18
LATE_CAP_US: Final = 14 * US_PER_DAY
REDELIVERY_CAP_US: Final = 3_600 * US_PER_SECOND
NULL_SHARE: Final = 0.02

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_POPULARITY, _CHUNK, _SPINE, _PROFILES = range(4)  # branches of the seed


def write(inputs: Inputs) -> None:
    """Write those of the inputs' files that are not there yet."""
    log = inputs.log
    if inputs.with_events and not inputs.events.exists():
        _write(inputs.events, (_event_chunk(log, i) for i in range(-(-log.events // CHUNK_ROWS))))
    if inputs.spine_rows and not inputs.spine.exists():
        _write(inputs.spine, iter([spine(log, inputs.spine_rows)]))
    if inputs.profile_rows and not inputs.profiles.exists():
        _write(inputs.profiles, iter([profiles(log, inputs.profile_rows, inputs.profile_columns)]))


def events(log: Log) -> pa.Table:
    """The whole log in memory.

    Columns: `user_id`, `ts` (UTC microseconds), `price` (double), `event` (`impression` or `click`), `ad_id`;
    with `knowledge` also `event_id` (16 hexadecimal digits) and `available_at`.
    """
    return pa.concat_tables([_event_chunk(log, i) for i in range(-(-log.events // CHUNK_ROWS))])


def spine(log: Log, rows: int) -> pa.Table:
    """Training instants of the log's users in the last third of its span, in no order.

    Columns: `request_id` (0, 1, ..), `user_id`, `ts`.
    """
    rng = _rng(log, _SPINE)
    span = log.span_days * US_PER_DAY
    at = START_US + _tick(log, (span * (2 + rng.random(rows)) / 3).astype(np.int64))
    ids = pa.array(np.arange(rows, dtype=np.int64))
    return pa.table({"request_id": ids, "user_id": _users(log, rows, rng), "ts": _instants(at)})


def profiles(log: Log, rows: int, columns: int) -> pa.Table:
    """Slowly changing values of the log's users over its span, in time order.

    Columns: `user_id`, `updated_at`, and doubles `v00`, `v01`, .., 2 % of them null.
    """
    rng = _rng(log, _PROFILES)
    at = START_US + _tick(log, np.sort(rng.integers(0, log.span_days * US_PER_DAY, rows)))
    table = {"user_id": _users(log, rows, rng), "updated_at": _instants(at)}
    for i in range(columns):
        table[f"v{i:02d}"] = pa.array(rng.normal(size=rows), mask=rng.random(rows) < NULL_SHARE)
    return pa.table(table)


def _event_chunk(log: Log, chunk: int) -> pa.Table:
    first = chunk * CHUNK_ROWS
    n = min(CHUNK_ROWS, log.events - first)
    rng = _rng(log, _CHUNK, chunk)
    at = START_US + _tick(log, _times(log, first, n, rng))
    clicked = pa.array((rng.random(n) < log.click_share).astype(np.int8))
    columns = {
        "user_id": _users(log, n, rng),
        "ts": _instants(at),
        "price": pa.array(np.round(rng.lognormal(0.0, 1.0, n), 4)),
        "event": pa.array(["impression", "click"]).take(clicked),
        "ad_id": _ads(log, n, rng),
    }
    if not log.knowledge:
        return pa.table(columns)
    columns["event_id"] = _event_ids(first, n, log.seed)
    columns["available_at"] = _instants(at + _tick(log, _delays(log, n, rng)))
    table = pa.table(columns)
    return pa.concat_tables([table, _redelivered(log, table, rng)])


def _redelivered(log: Log, table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Second copies of some rows, equal in everything but `available_at`."""
    again = np.flatnonzero(rng.random(table.num_rows) < log.redelivered)
    copies = table.take(pa.array(again))
    later = np.asarray(copies["available_at"].cast(pa.int64())) + rng.integers(
        1, REDELIVERY_CAP_US, len(again)
    )
    return copies.set_column(copies.schema.get_field_index("available_at"), "available_at", _instants(later))


def _times(log: Log, first: int, n: int, rng: np.random.Generator) -> Ints:
    """Microseconds since the start, ascending; the rate follows the hour of the day."""
    days = np.sort(first + rng.random(n) * n) / log.events * log.span_days
    busy = days + 0.6 * np.sin(2 * np.pi * days) / (2 * np.pi)  # the slope is 1 + 0.6 cos > 0: order is kept
    return (busy * US_PER_DAY).astype(np.int64)


def _delays(log: Log, n: int, rng: np.random.Generator) -> Ints:
    """Microseconds from event to knowledge: about 0.2 s, or for late rows hours with a tail of days."""
    prompt = rng.lognormal(np.log(0.2), 0.8, n)
    late = rng.lognormal(np.log(2 * 3_600), 1.8, n)
    seconds = np.where(rng.random(n) < log.late_share, late, prompt)
    delay: Ints = np.minimum(seconds * US_PER_SECOND, LATE_CAP_US).astype(np.int64)
    return delay


def _users(log: Log, n: int, rng: np.random.Generator) -> pa.Array:
    edges = np.cumsum(_rng(log, _POPULARITY).lognormal(0.0, log.sigma, log.users))
    codes = _drawn(edges, rng.random(n))
    if log.hot_share is not None:
        codes = np.where(rng.random(n) < log.hot_share, 0, codes)
    if not log.string_keys:
        return pa.array(codes)
    return pa.array([f"user-{i:08d}" for i in range(log.users)]).take(pa.array(codes))


def _ads(log: Log, n: int, rng: np.random.Generator) -> pa.Array:
    codes = _drawn(np.cumsum(1.0 / np.arange(1, log.ads + 1)), rng.random(n))
    if not log.string_keys:
        return pa.array(codes)
    return pa.array([f"ad-{i:05d}" for i in range(log.ads)]).take(pa.array(codes))


def _drawn(edges: Floats, uniform: Floats) -> Ints:
    """Codes whose shares are the steps between the ascending `edges`."""
    above = np.searchsorted(edges, uniform * edges[-1], side="right")
    codes: Ints = np.minimum(above, len(edges) - 1).astype(np.int64)
    return codes


def _event_ids(first: int, n: int, seed: int) -> pa.Array:
    """Hexadecimal digits of a bijection of the row number (splitmix64's finaliser), so that all differ."""
    x = np.arange(first, first + n, dtype=np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    pairs = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), dtype="<u2")
    text = pairs[x.astype(">u8").view(np.uint8)]
    offsets = np.arange(n + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


def _instants(us: Ints) -> pa.Array:
    return pa.array(us).cast(pa.timestamp("us", tz="UTC"))


def _tick(log: Log, us: Ints) -> Ints:
    return us - us % log.tick_us


def _rng(log: Log, *branch: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(log.seed, spawn_key=branch))


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write beside the target and rename: an interrupted run leaves no half file under the final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    first = next(tables)
    with pq.ParquetWriter(partial, first.schema) as writer:
        for table in itertools.chain([first], tables):
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    partial.replace(path)
