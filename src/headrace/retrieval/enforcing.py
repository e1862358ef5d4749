"""Rules of features where features are read: how many values break which, and what is enforced.

A value that breaks an enforced rule is null and INVALID, in history and serving alike; functions that read it
see no value. In history the values that break any rule are counted besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.intake.feature_rules import FeatureRules
from headrace.kernel.columns import Column, Columns, python_values, without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.intake.rejects import Fault
    from headrace.kernel.binding import Binding
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.schema import Type

__all__ = ["FeatureJudge", "Judged", "JudgedColumns", "Judges", "judges_of"]

_BROKEN = "it breaks the rule {}"


class Judged(NamedTuple):
    """A column without the values that break an enforced rule.

    Attributes:
        values: As in `Column`, like the next three.
        status: uint8.
        newest: int64.
        reason: Why rows are INVALID.
        reasons: Why a row is, where rows have several reasons.
        broken: How many values break each rule.
    """

    values: pa.Array
    status: Array
    newest: Array
    reason: str
    reasons: Mapping[int, str]
    broken: Mapping[str, int]

    def to_list(self) -> list[Any]:
        """The values as Python has them."""
        return python_values(self.values)


class FeatureJudge:
    """The rules of one feature, bound once; threads may share them."""

    def __init__(self, feature: str, rules: Sequence[Rule], of: Type) -> None:
        """Bind them.

        Args:
            feature: The feature's name.
            rules: Its rules.
            of: The type of its values.
        """
        self._enforced = FeatureRules(feature, [rule for rule in rules if rule.enforce], of)
        self._told = FeatureRules(feature, [rule for rule in rules if not rule.enforce], of)

    def broken(self, values: pa.Array) -> dict[str, int]:
        """How many values break each rule, 0 included."""
        return _counts(self, self._enforced.faults(values), self._told.faults(values))

    @property
    def names(self) -> tuple[str, ...]:
        """What the rules are called."""
        return (*self._enforced.names, *self._told.names)

    def judge(self, column: Column) -> Judged:
        """The column without what breaks an enforced rule."""
        values = column.values
        faults, told = self._enforced.faults(values), self._told.faults(values)
        counts = _counts(self, faults, told)
        if faults:
            column = without(column, {_BROKEN.format(fault.rule): fault.mask for fault in faults})
            values = column.values
        return Judged(values, column.status, column.newest, column.reason, column.reasons, counts)


def _counts(judge: FeatureJudge, *found: Sequence[Fault]) -> dict[str, int]:
    counts = dict.fromkeys(judge.names, 0)
    for fault in (fault for faults in found for fault in faults):
        counts[fault.rule] += int(fault.mask.sum())
    return counts


class Judges(NamedTuple):
    """The rules of what a retrieval plan reads.

    Attributes:
        views: For each of its views, feature -> its rules; features without any are left out.
        functions: The same of its on-demand features, by `name@version`.
    """

    views: Sequence[Mapping[str, FeatureJudge]]
    functions: Mapping[str, FeatureJudge]

    @classmethod
    def of(cls, plan: RetrievalPlan, *, enforced: bool) -> Judges:
        """The judges of a plan.

        Args:
            plan: The plan.
            enforced: Whether to judge by enforced rules only.
        """
        functions = {
            str(each.reference): FeatureJudge(each.name, rules, each.output)
            for each in plan.functions
            if (rules := _asked(each.rules, enforced=enforced))
        }
        return cls([judges_of(each.binding, each.names, enforced=enforced) for each in plan.views], functions)

    def columns(self, place: int, columns: Columns) -> Columns:
        """The columns of one of the plan's views, judged when they are asked for."""
        return JudgedColumns(columns, self.views[place]) if self.views[place] else columns


def judges_of(binding: Binding, names: Sequence[str], *, enforced: bool) -> dict[str, FeatureJudge]:
    """The judges of some features of a view, by feature; those without rules are left out."""
    return {
        name: FeatureJudge(name, rules, binding.feature_types[name])
        for name in names
        if (rules := _asked(binding.rules.get(name, ()), enforced=enforced))
    }


def _asked(rules: Sequence[Rule], *, enforced: bool) -> Sequence[Rule]:
    return [rule for rule in rules if rule.enforce] if enforced else rules


class JudgedColumns(Columns):
    """Columns of features without what breaks an enforced rule; each is judged when it is asked for."""

    def __init__(self, columns: Columns, judges: Mapping[str, FeatureJudge]) -> None:
        """Over columns as they were computed."""
        super().__init__(columns)
        self._columns = columns
        self._judges = judges
        self._judged: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self._judges:
            return self._columns[name]
        if name not in self._judged:
            self._judged[name] = self._judges[name].judge(self._columns[name])
        return self._judged[name]

    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""
        own = {name: self[name].to_list() for name in self._judges if name in self._columns}
        return {name: own.get(name, values) for name, values in self._columns.to_lists().items()}
