"""Refusing rows as a whole: what `on_invalid="reject"` does with a batch, a load or a push."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from headrace.errors import DataError
from headrace.intake.rejects import EXPRESSION, reasons_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Refusal"]

_NAMED = 5
"""How many rows the error names."""

_NOT_INVALID = {"no_key", EXPRESSION}
"""What makes no row invalid: it counts for other views, or for other features."""


class Refusal:
    """Takes rejected rows, and raises one error for all of them."""

    def __init__(self, source: str) -> None:
        """Nothing to refuse yet.

        Args:
            source: The source.
        """
        self._source = source
        self._rules: Counter[str] = Counter()
        self._named: list[str] = []
        self._rows = 0

    def take(self, rejected: pa.Table) -> None:
        """Look at rejected rows, see `rejects_of`."""
        origins = rejected.column("origin").to_pylist()
        ordinals = rejected.column("ordinal").to_pylist()
        for place, reasons in enumerate(reasons_of(rejected)):
            broken = [(rule, reason) for rule, reason in reasons if rule not in _NOT_INVALID]
            if not broken:
                continue
            self._rows += 1
            self._rules.update({rule for rule, _ in broken})
            if len(self._named) < _NAMED:
                row = "" if ordinals[place] is None else f"row {ordinals[place]}: "
                where = f"{origins[place]}, " if origins[place] else ""
                self._named.append(f"{where}{row}{broken[0][1]}")

    def check(self) -> None:
        """Refuse, if there was anything invalid.

        Raises:
            DataError: There was; the text counts rows and names the first.
        """
        if not self._rows:
            return
        counts = ", ".join(f"{rule}: {count}" for rule, count in sorted(self._rules.items()))
        rows = "1 row is" if self._rows == 1 else f"{self._rows} rows are"
        raise DataError(
            f"Source {self._source!r} rejects the whole: {rows} invalid ({counts}). "
            f"{'; '.join(self._named)}.",
            asked=self._source,
            remedy='Mend the rows, or declare on_invalid="quarantine"; nothing was written.',
        )
