"""Rules enforced at reads: a value that breaks one is null and INVALID, in history and serving alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.intake.feature_rules import FeatureRules
from headrace.kernel.columns import INVALID, ArrowColumn, Column, Columns, HeldColumns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.binding import Binding

__all__ = ["Enforced", "enforced_rules"]


def enforced_rules(binding: Binding, names: Sequence[str]) -> dict[str, FeatureRules]:
    """The rules to enforce on some features of a view, by feature; those without any are left out."""
    found = {}
    for name in names:
        rules = [rule for rule in binding.rules.get(name, ()) if rule.enforce == "serve"]
        if rules:
            found[name] = FeatureRules(name, rules, binding.feature_types[name])
    return found


class Enforced(Columns):
    """Columns of features, without values that break an enforced rule; each is judged when asked for."""

    def __init__(self, columns: Mapping[str, Column], rules: Mapping[str, FeatureRules]) -> None:
        """Over columns as they were computed."""
        super().__init__(columns)
        self._columns = columns
        self._rules = rules
        self._judged: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self._rules:
            return self._columns[name]
        if name not in self._judged:
            self._judged[name] = _without(self._columns[name], self._rules[name])
        return self._judged[name]

    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""
        columns = self._columns
        held = columns if isinstance(columns, Columns) else HeldColumns(columns)
        plain = held.to_lists()
        own = {name: self[name].to_list() for name in self._rules if name in columns}
        return {name: own.get(name, values) for name, values in plain.items()}


def _without(column: Column, rules: FeatureRules) -> Column:
    values = column.values
    faults = rules.faults(values)
    if not faults:
        return column
    broken = np.logical_or.reduce([fault.mask for fault in faults])
    kept = values.take(pa.array(np.arange(len(values)), mask=broken))
    status = np.where(broken, np.uint8(INVALID), column.status)
    reasons = [*filter(None, [column.reason]), *(f"it breaks the rule {fault.rule}" for fault in faults)]
    return ArrowColumn(kept, status, column.newest, "; ".join(reasons))
