"""The rules of one feature over its values: of an answer, a training set, or a list that somebody gives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from headrace.intake.conditions import Conditions
from headrace.intake.numbers import valid_of
from headrace.intake.rejects import Fault
from headrace.intake.value_rules import ValueRule, rule_name
from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.schema import Type

__all__ = ["FeatureRules"]


class FeatureRules:
    """The rules of a feature, bound once; threads may share them.

    Attributes:
        names: What they are called.
    """

    def __init__(self, feature: str, rules: Sequence[Rule], of: Type) -> None:
        """Bind them.

        Args:
            feature: The feature's name.
            rules: Its rules.
            of: The type of its values.

        Raises:
            DefinitionError: A rule does not fit the type, or `unique` is to be enforced at reads.
        """
        self.names = tuple(rule_name(dataclasses.replace(rule, column=feature)) for rule in rules)
        named = [dataclasses.replace(rule, column=feature) for rule in rules]
        self._unique = [rule for rule in named if rule.kind == "unique"]
        for rule in self._unique:
            if rule.enforce:
                raise rule.error("a read has no other values to compare with.", remedy="Leave enforce out.")
        self._plain = [
            ValueRule(rule, of, f"feature {feature!r}")
            for rule in named
            if rule.kind not in {"unique", "custom"}
        ]
        custom = [dataclasses.replace(rule, column="") for rule in rules if rule.kind == "custom"]
        if custom and of.name in {"map", "struct"}:
            raise custom[0].error(
                f"values of type {of} cannot be read by conditions.", asked=str(of), remedy="Leave it out."
            )
        self._conditions = Conditions(custom, {"value": of}, {}) if custom else None

    def faults(self, values: pa.Array) -> list[Fault]:
        """What the values break.

        Args:
            values: n values of the feature's type.
        """
        found = []
        for each in self._plain:
            failing = each.failing(values)
            if failing is not None:
                found.append(Fault(each.name, "value", failing, each.reason))
        found += [fault for rule in self._unique if (fault := _repeated(rule, values))]
        if self._conditions is not None:
            valid = valid_of(values)
            for fault in self._conditions.faults(pa.table({"value": values})):
                mask = fault.mask if valid is None else fault.mask & valid
                if mask.any():
                    found.append(fault._replace(column="value", mask=mask))
        return found


def _repeated(rule: Rule, values: pa.Array) -> Fault | None:
    """Values that are there before; nobody knows of values by themselves which was known first."""
    codes: Array = pc.fill_null(pc.dictionary_encode(values).indices.cast(pa.int64()), -1).to_numpy()
    repeated = np.ones(len(codes), dtype=bool)
    repeated[np.unique(codes, return_index=True)[1]] = False
    repeated &= codes >= 0
    if not repeated.any():
        return None
    return Fault(rule_name(rule), "value", repeated, f"feature {rule.column!r}: {{value}} is there before")
