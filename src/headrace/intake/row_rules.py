"""A source's own rules: all of them over a batch of clean rows in one pass.

A rule speaks of clean values, so a value that cannot be read breaks no rule besides. Conditions and derived
columns are judged on rows of which every value could be read. What `unique` says is no matter of one batch;
see `headrace.reading.repeats`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from headrace.intake.conditions import Conditions
from headrace.intake.rejects import Fault
from headrace.intake.screen import suspicion
from headrace.intake.value_rules import ValueRule, bounds_of, rule_name
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.schema import Type

__all__ = ["RowRules", "RuledSource", "Screen", "Suspects", "repeated_value"]


_UNREAD = {"uncastable", "infinite"}
"""What is wrong with a value that cannot be read; it is null then."""


class RuledSource(Protocol):
    """What rules ask of a source's definition."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What rows have to be."""
        ...

    @property
    def on_invalid(self) -> str:
        """What becomes of rows that break a rule."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Derived columns."""
        ...


class Screen(NamedTuple):
    """What raw rows are asked where they are read.

    Attributes:
        sql: True for every row that breaks one of the rules, and perhaps for others; empty without any.
        rules: Their places among the rules that look at one value at a time.
    """

    sql: str = ""
    rules: frozenset[int] = frozenset()


class Suspects(NamedTuple):
    """What a screen said of some rows.

    Attributes:
        screen: The screen.
        mask: Which rows may break one of its rules, n bool.
    """

    screen: Screen
    mask: Array


class RowRules:
    """The rules of a source, bound once; threads may share them.

    Attributes:
        warns: Whether rows that break them count all the same.
        inputs: The schema's columns that they read.
        local: Whether they read local times.
    """

    def __init__(self, source: RuledSource, schema: Mapping[str, Type], zone: str = "UTC") -> None:
        """Bind them.

        Args:
            source: Has the rules.
            schema: Its frozen schema.
            zone: The IANA zone of `local(ts)`.

        Raises:
            DefinitionError: A rule does not fit its column's type, or its expression not the schema.
        """
        self.warns = source.on_invalid == "warn"
        for rule in source.rules:
            if rule.kind == "unique" and rule.column not in schema:
                raise rule.error(
                    "it speaks of a derived column.",
                    asked=rule.column,
                    available=list(schema),
                    remedy="Name a column of the schema.",
                )
        here = [
            rule for rule in source.rules if rule.kind not in {"unique", "custom"} and rule.column in schema
        ]
        self._plain = [ValueRule(rule, schema[rule.column], f"column {rule.column!r}") for rule in here]
        rest = [rule for rule in source.rules if rule.kind != "unique" and rule not in here]
        self._conditions = Conditions(rest, schema, source.columns, zone)
        self.local = self._conditions.local
        read = {rule.column for rule in here} | self._conditions.inputs
        self.inputs = tuple(name for name in schema if name in read)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._plain or self._conditions)

    def screen(self, columns: pa.Schema) -> Screen:
        """What can be asked of raw rows where they are read.

        Args:
            columns: Their columns; only those that hold values as clean rows do can be asked.
        """
        found: dict[int, str] = {}
        for place, each in enumerate(self._plain):
            name, of = each.rule.column, each.of
            if name in columns.names and columns.field(name).type == of.arrow():
                bounds = bounds_of(each.rule, of) if each.rule.kind == "range" else None
                sql = suspicion(each.rule, of, bounds)
                if sql is not None:
                    found[place] = sql
        return Screen(" OR ".join(found.values()), frozenset(found))

    def faults(
        self, values: Mapping[str, pa.Array], faults: Sequence[Fault], suspects: Suspects | None = None
    ) -> list[Fault]:
        """What the rows of a batch break.

        Args:
            values: The clean columns, null where a value cannot be read.
            faults: What is wrong with the rows already.
            suspects: Which rows alone may break some of the rules; None where nobody asked.
        """
        unread: dict[str, Array] = {}
        for fault in faults:
            if fault.rule in _UNREAD:
                unread[fault.column] = fault.mask | unread.get(fault.column, False)
        found: list[Fault] = []
        among = None if suspects is None else np.flatnonzero(suspects.mask)
        for place, each in enumerate(self._plain):
            if among is None or suspects is None or place not in suspects.screen.rules:
                failing = each.failing(values[each.rule.column])
            else:
                failing = _failing_among(each, values[each.rule.column], among)
            if failing is not None:
                failing = failing & ~unread[each.rule.column] if each.rule.column in unread else failing
                found.append(Fault(each.name, each.rule.column, failing, each.reason))
        if self._conditions:
            found += self._conditional(values, list(unread.values()))
        return [fault for fault in found if fault.mask.any()]

    def _conditional(self, values: Mapping[str, pa.Array], unread: Sequence[Array]) -> list[Fault]:
        """What the rows break of which every value could be read."""
        n = len(next(iter(values.values())))
        names = sorted(self._conditions.inputs)
        rows = pa.table([values[name] for name in names] or [pa.nulls(n)], names=names or ["__nothing"])
        if not unread:
            return self._conditions.faults(rows)
        at = np.flatnonzero(~np.logical_or.reduce(unread))
        found = []
        for fault in self._conditions.faults(rows.take(pa.array(at))):
            mask = np.zeros(n, dtype=bool)
            mask[at] = fault.mask
            found.append(fault._replace(mask=mask))
        return found


def _failing_among(rule: ValueRule, values: pa.Array, among: Array) -> Array | None:
    """Which values break a rule, looking at some only."""
    if not len(among):
        return None
    failing = rule.failing(values.take(pa.array(among)))
    if failing is None:
        return None
    whole = np.zeros(len(values), dtype=bool)
    whole[among[failing]] = True
    return whole


def repeated_value(rule: Rule, mask: Array) -> Fault:
    """What breaks a `unique` rule.

    Args:
        rule: The rule.
        mask: The rows that have a value another row had before, bool.
    """
    return Fault(rule_name(rule), rule.column, mask, f"column {rule.column!r}: {{value}} is there before")
