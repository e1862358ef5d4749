"""The report on what is not counted: rejected rows, expressions that fail, lines that are no rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.intake.rejects import EXPRESSION, rejects_of, row_texts, rows_at

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from headrace.aggregations.states import Array
    from headrace.intake.cleaning import Cleaner
    from headrace.intake.rejects import Fault
    from headrace.reading.piece import Batch, Piece
    from headrace.schema import Schema

__all__ = ["Report"]

_LOOKED_UP = 100_000
"""How many rows are read again at once, where batches do not hold whole rows."""


class Report:
    """Hands out what is wrong with a piece; where batches lack columns, rows are read again at the end."""

    def __init__(
        self,
        piece: Piece,
        cleaner: Cleaner,
        on_rejected: Callable[[pa.Table], None] | None,
        others: Callable[[Piece, Array], list[Fault]],
        limit: int,
        beyond: Counter[str],
    ) -> None:
        """Report nothing yet.

        Args:
            piece: What is read.
            cleaner: Judges whole rows.
            on_rejected: Is handed what is wrong; None if nobody asks.
            others: What is known to be wrong with rows at places of the piece besides.
            limit: How many rows are told of.
            beyond: Counts those beyond the limit, by the rule that comes first.
        """
        self._piece = piece
        self._cleaner = cleaner
        self._on_rejected = on_rejected
        self._others = others
        self.left = limit if on_rejected is not None else 0
        self._beyond = beyond
        self._spoiled: list[Array] = []
        self._failed: list[pa.Table] = []

    @property
    def described(self) -> bool:
        """Whether rows and reasons of the next batch are to be written out."""
        return self._piece.complete and self.left > 0

    def rejected(self, rejected: pa.Table, places: Array) -> None:
        """Rows of a batch were rejected.

        Args:
            rejected: What cleaning says of them.
            places: Their places in the piece.
        """
        told = min(self.left, len(places))
        self.left -= told
        self._beyond.update(rejected.column("rule").slice(told).to_pylist())
        if not told:
            return
        if self._piece.complete:
            self._hand_out(rejected.slice(0, told), places[:told])
        else:
            self._spoiled.append(places[:told])

    def failed(self, failed: pa.Table, batch: Batch, good: Array) -> None:
        """Expressions failed on rows of a batch.

        Args:
            failed: What the evaluator says: `ordinal` (among the good rows), `expression`, `reason`.
            batch: The raw rows.
            good: Where the good rows are in the batch.
        """
        whole, failed = failed.num_rows, failed.slice(0, self.left)
        self.left -= failed.num_rows
        self._beyond[EXPRESSION] += whole - failed.num_rows
        if not failed.num_rows:
            return
        at = good[failed.column("ordinal").to_numpy()]
        places = batch.at(at)
        if self._piece.complete:
            rows = row_texts(rows_at(batch.rows, at))
            self._hand_out(_failures(rows, failed), places)
        else:
            self._failed.append(failed.set_column(0, "ordinal", pa.array(places)))

    def finish(self, schema: Schema) -> dict[str, int]:
        """Report the rest after the last batch.

        Returns:
            What is to be added to the counts.
        """
        for places in _chunks(self._spoiled):
            others = self._others(self._piece, places)
            again = self._cleaner.clean(self._piece.whole(places), others=others).rejected
            self._hand_out(again, places[again.column("ordinal").to_numpy()])
        if self._failed:
            failed = pa.concat_tables(self._failed)
            for start in range(0, failed.num_rows, _LOOKED_UP):
                part = failed.slice(start, _LOOKED_UP)
                places, of = np.unique(part.column("ordinal").to_numpy(), return_inverse=True)
                rows = row_texts(self._piece.whole(places))
                self._hand_out(_failures([rows[row] for row in of], part), places[of])
        unreadable = self._piece.unreadable(schema)
        if unreadable is None:
            return {}
        told = unreadable.slice(0, self.left)
        self.left -= told.num_rows
        self._beyond.update(unreadable.column("rule").slice(told.num_rows).to_pylist())
        if self._on_rejected is not None and told.num_rows:
            origin = self._piece.places(np.zeros(1, dtype=np.int64))[0].file
            self._on_rejected(_with(told, "origin", pa.array([origin] * told.num_rows)))
        rules = unreadable.column("rule").to_pylist()
        return {
            "rows": len(rules),
            "rejected": len(rules),
            **{rule: rules.count(rule) for rule in set(rules)},
        }

    def _hand_out(self, rejects: pa.Table, places: Array) -> None:
        if self._on_rejected is None or not rejects.num_rows:
            return
        found = self._piece.places(places)
        ordinals = np.concatenate([place.rows for place in found])
        origins = [place.file for place in found for _ in place.rows]
        placed = _with(rejects, "ordinal", pa.array(ordinals))
        self._on_rejected(_with(placed, "origin", pa.array(origins, pa.string())))


def _with(rejects: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return rejects.set_column(rejects.column_names.index(name), name, column)


def _failures(rows: list[str], failed: pa.Table) -> pa.Table:
    reasons = failed.column("reason").to_pylist()
    return rejects_of(rows, reasons, [EXPRESSION] * len(rows), [None] * len(rows))


def _chunks(parts: list[Array]) -> list[Array]:
    if not parts:
        return []
    whole = np.concatenate(parts)
    return [whole[start : start + _LOOKED_UP] for start in range(0, len(whole), _LOOKED_UP)]
