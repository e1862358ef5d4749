"""The raw rows of one push, and what becomes of those that are no events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from headrace.errors import ConflictError
from headrace.intake.raw_rows import raw_table
from headrace.intake.refusing import Refusal
from headrace.intake.rejects import reasons_of
from headrace.online.log import from_ipc, to_ipc
from headrace.online.quarantine import PUSH, Reason, Rejected, count_beyond, pushed_key, put, remove

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from headrace.definitions.source import Source
    from headrace.ports.key_value import Writer
    from headrace.schema import Schema

__all__ = ["PushedRows", "Rejects"]


class Rejects(NamedTuple):
    """Rejected rows of a push.

    Attributes:
        rows: Each once, see `rejects_of`; ordinals are places among the raw rows.
        known: When each was known, microseconds UTC; None where that cannot be read.
    """

    rows: pa.Table
    known: Sequence[int | None]


class PushedRows:
    """Raw rows of a push, or of pushes that are tried again."""

    def __init__(
        self, source: Source, raw: pa.Table, again: Sequence[tuple[bytes, Rejected]] | None = None
    ) -> None:
        """Rows.

        Args:
            source: Their source.
            raw: The rows.
            again: Where they are in quarantine, if they are.
        """
        self.raw = raw
        self._source = source
        self._again = again

    @classmethod
    def again(cls, source: Source, schema: Schema, rows: Sequence[tuple[bytes, Rejected]]) -> PushedRows:
        """Rows from quarantine, as they were pushed: with their own times, and when they were available."""
        whole = [from_ipc(row.raw).to_pylist()[0] if row.raw else json.loads(row.row) for _, row in rows]
        return cls(source, raw_table(whole, schema, f"quarantine of {source.name!r}"), rows)

    def refuse(self, found: Sequence[pa.Table]) -> None:
        """Refuse the push, if the source says so and rows are invalid.

        Raises:
            DataError: They are.
        """
        if self._source.on_invalid != "reject" or self._again is not None:
            return
        refusal = Refusal(self._source.name)
        for rejects in found:
            refusal.take(rejects)
        refusal.check()

    def write(self, tx: Writer, rejects: Rejects, counted: Container[int], offset: int, now: int) -> int:
        """Put into quarantine what is rejected; take out what is not any more.

        Args:
            tx: The transaction of the push.
            rejects: The rejected rows.
            counted: The places of rows that count all the same.
            offset: The offset of the push.
            now: The clock.

        Returns:
            How many rows are in quarantine.

        Raises:
            ConflictError: Somebody else has tried rows again meanwhile.
        """
        name = self._source.name
        found = self._found(rejects, counted, offset, now)
        if self._again is not None:
            keys = [key for key, _ in self._again]
            if None in tx.multi_get(keys):
                raise ConflictError(
                    f"Somebody else replays the quarantine of {name!r}.", asked=name, remedy="Replay again."
                )
            remove(tx, name, [key for place, key in enumerate(keys) if place not in found])
        rows = dict(found.values())
        count_beyond(tx, name, "", put(tx, name, list(rows.items())))
        return len(found)

    def _found(
        self, rejects: Rejects, counted: Container[int], offset: int, now: int
    ) -> dict[int, tuple[bytes, Rejected]]:
        """The rejected rows by their places, and where they are kept."""
        name, found = self._source.name, {}
        columns = (rejects.rows.column(name).to_pylist() for name in ("ordinal", "row"))
        for place, text, reasons, known in zip(
            *columns, reasons_of(rejects.rows), rejects.known, strict=True
        ):
            told = tuple(Reason(rule, reason, "", now) for rule, reason in reasons)
            if self._again is not None:
                key, before = self._again[place]
                row = msgspec.structs.replace(
                    before, rule=told[0].rule, reason=told[0].reason, reasons=told, known=known
                )
            else:
                key, origin = self._kept_at(text, offset, place)
                row = Rejected(
                    name, text, told[0].rule, told[0].reason, now, told, origin, place,
                    counted=place in counted, raw=self._whole(place), known=known,
                )  # fmt: skip
            found[place] = key, row
        return found

    def _kept_at(self, row: str, offset: int, place: int) -> tuple[bytes, str]:
        """The key of a rejected row, and where it came from."""
        by_content = getattr(self._source, "event_id", None) is not None
        key = pushed_key(self._source.name, row, offset, place, by_content=by_content)
        return key, f"{PUSH} {offset}"

    def _whole(self, place: int) -> bytes:
        """The row as it is, where JSON text would not hold it."""
        if not any(map(_holds_bytes, self.raw.schema.types)):
            return b""
        return to_ipc(self.raw.slice(place, 1))


def _holds_bytes(of: pa.DataType) -> bool:
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return _holds_bytes(of.value_type)
    return bool(pa.types.is_binary(of) or pa.types.is_large_binary(of))
