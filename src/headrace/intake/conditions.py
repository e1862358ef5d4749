"""Conditions of one's own, and rules on derived columns: what takes an expression or a function to judge."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from headrace.errors import DataError, StoreError
from headrace.intake.evaluator import Evaluator
from headrace.intake.expressions import bind_all
from headrace.intake.numbers import valid_of
from headrace.intake.rejects import Fault
from headrace.intake.value_rules import ValueRule, rule_name
from headrace.lazy import pyarrow as pa
from headrace.schema import BOOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.schema import Type

__all__ = ["Conditions"]


class Conditions:
    """Custom rules, and any rules on derived columns, bound once.

    Attributes:
        inputs: The schema's columns that they read.
        local: Whether they read local times.
    """

    def __init__(
        self, rules: Sequence[Rule], schema: Mapping[str, Type], columns: Mapping[str, str], zone: str = "UTC"
    ) -> None:
        """Bind them.

        Args:
            rules: Custom rules, and others on derived columns.
            schema: The columns of rows.
            columns: Derived columns.
            zone: The IANA zone of `local(ts)`.

        Raises:
            DefinitionError: A condition is no truth over the columns, or a function reads another column.
        """
        self._rules = tuple(rules)
        self._conditions = {
            f"__rule{place}": rule for place, rule in enumerate(rules) if "expression" in rule.arguments
        }
        self._evaluator = self._bound(schema, columns, zone)
        types = {**schema, **self._evaluator.types}
        self._values = {
            place: ValueRule(rule, types[rule.column], f"column {rule.column!r}")
            for place, rule in enumerate(rules)
            if rule.kind != "custom"
        }
        self.inputs = {*self._evaluator.inputs, *self._read_here()} & set(schema)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._rules)

    def _read_here(self) -> set[str]:
        """The columns, derived ones included, that are read besides by conditions."""
        functions = {name for rule in self._rules for name in _parameters(rule)}
        return functions | {rule.column for rule in self._rules if rule.column}

    def _bound(self, schema: Mapping[str, Type], columns: Mapping[str, str], zone: str) -> Evaluator:
        """What evaluates the conditions and the derived columns that are read."""
        for rule in self._rules:
            for name in (*_parameters(rule), *filter(None, [rule.column])):
                if name not in schema and name not in columns:
                    raise rule.error(
                        f"there is no column {name!r}.", asked=name, available=[*schema, *columns],
                        remedy="Name the function's parameters after columns.",
                    )  # fmt: skip
        texts = dict(columns)
        for name, rule in self._conditions.items():
            texts[name] = rule.arguments["expression"]
            own = bind_all(
                schema, {**columns, name: texts[name]}, zone, f"{rule.written}: rule {rule_name(rule)}"
            )
            if own[name].type != BOOL:
                raise rule.error(
                    f"its value is of type {own[name].type}, not bool.",
                    asked=texts[name],
                    remedy="Compare it with something: the result is TRUE, FALSE or null.",
                )
        bound = bind_all(schema, texts, zone)
        needed: set[str] = set()
        waiting = [*self._conditions, *(self._read_here() & set(columns))]
        while waiting:
            name = waiting.pop()
            if name in bound and name not in needed:
                needed.add(name)
                waiting += bound[name].reads
        self.local = any(bound[name].local for name in needed)
        return Evaluator(schema, {name: text for name, text in texts.items() if name in needed}, zone)

    def faults(self, rows: pa.Table) -> list[Fault]:
        """What rows break.

        Args:
            rows: n clean rows with at least the columns in `inputs`.

        Raises:
            DataError: A function fails, or does not return n truths.
            StoreError: The code of a function is not at hand.
        """
        if not rows.num_rows:
            return []
        evaluated = self._evaluator.evaluate(rows)
        columns = {name: rows.column(name) for name in rows.column_names}
        columns |= {name: evaluated.columns.column(name) for name in evaluated.columns.column_names}
        whole = {name: _one(column) for name, column in columns.items()}
        found = []
        for place, rule in enumerate(self._rules):
            if place in self._values:
                value_rule = self._values[place]
                failing, reason = value_rule.failing(whole[rule.column]), value_rule.reason
            else:
                holds = whole[f"__rule{place}"] if f"__rule{place}" in whole else _asked(rule, whole)
                if holds.true_count == len(holds):
                    continue
                failing, reason = _not_true(holds), _reason(rule)
                valid = valid_of(whole[rule.column]) if rule.column else None
                failing = failing if valid is None else failing & valid
            if failing is not None and failing.any():
                found.append(Fault(rule_name(rule), rule.column, failing, reason))
        return found


def _parameters(rule: Rule) -> tuple[str, ...]:
    """The columns that a rule's function reads."""
    return () if rule.function is None else tuple(inspect.signature(rule.function).parameters)


def _asked(rule: Rule, columns: Mapping[str, pa.Array]) -> pa.Array:
    """What a rule's function says of each row."""
    name = rule.arguments["name"]
    if rule.function is None:
        raise StoreError(
            f"The code of rule {name!r} is not loaded.",
            asked=name,
            remedy="The registry keeps no code: open the project's directory, where the function with the "
            f"source hash {rule.arguments['function']} is defined.",
        )
    read = {each: columns[each] for each in _parameters(rule)}
    n = len(next(iter(columns.values())))
    try:
        told = rule.function(**read)
        holds = told if isinstance(told, pa.Array | pa.ChunkedArray) else pa.array(told, pa.bool_())
    except Exception as error:
        raise DataError(
            f"{rule.written}: the function of rule {name!r} failed: {type(error).__name__}: {error}.",
            asked=name,
            remedy="It receives Arrow arrays, named after columns, and returns a truth for each row.",
        ) from error
    if len(holds) != n or holds.type != pa.bool_():
        raise DataError(
            f"{rule.written}: the function of rule {name!r} returned {len(holds)} values of type "
            f"{holds.type} for {n} rows.",
            asked=name,
            remedy="Return a truth for each row.",
        )
    return _one(holds)


def _reason(rule: Rule) -> str:
    words = f" ({rule.description})" if rule.description else ""
    return f"{rule.arguments['name']}: {rule.arguments.get('expression', 'the condition')} is not true{words}"


def _not_true(holds: pa.Array) -> Array:
    data: Array = holds.fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003 - Arrow's own signature
    return ~data


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
