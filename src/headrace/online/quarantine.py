"""Quarantine: rows that could not be used, each once, with the reason."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from headrace.online.layout import quarantine_key, quarantine_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from headrace.ports.key_value import Reader, Writer

__all__ = ["Rejected", "quarantine", "quarantined"]

_BATCH = 512


class Rejected(msgspec.Struct, frozen=True):
    """A row in quarantine.

    Attributes:
        source: The source it came from.
        row: The row as JSON text.
        rule: What it failed.
        reason: Why, in words.
        at: When it was last put here, microseconds UTC.
    """

    source: str
    row: str
    rule: str
    reason: str
    at: int


def quarantine(store: Writer, source: str, rejected: pa.Table, now: int) -> None:
    """Put rows into quarantine; one that is there already for the same reason is not there twice.

    Args:
        store: The store, or a transaction of it.
        source: The source they came from.
        rejected: Columns `row`, `rule`, `reason`, texts.
        now: The clock.
    """
    items = []
    for row, rule, reason in zip(
        *(rejected.column(name).to_pylist() for name in ("row", "rule", "reason")), strict=True
    ):
        digest = hashlib.sha256(f"{row}\0{rule}\0{reason}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        items.append(
            (quarantine_key(source, digest, 0), msgspec.json.encode(Rejected(source, row, rule, reason, now)))
        )
    for start in range(0, len(items), _BATCH):
        store.multi_put(items[start : start + _BATCH])


def quarantined(store: Reader, source: str) -> Iterator[Rejected]:
    """The rows in quarantine of a source."""
    for _, data in store.scan(quarantine_prefix(source)):
        yield msgspec.json.decode(data, type=Rejected)
