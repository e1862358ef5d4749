"""The causes of mismatches: each is computed from data, and what no data explain stays unexplained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.columns import INVALID, NOT_FOUND, OUTSIDE_MAX_AGE, Column
from headrace.monitoring.comparing import compare
from headrace.monitoring.evidence import (
    CLOCK,
    CONFLICT,
    EPOCH,
    LAG,
    LATE,
    MISSING,
    UNKNOWN,
    Evidence,
    Explained,
)
from headrace.monitoring.replayed import features_over
from headrace.monitoring.sizes import slacks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding
    from headrace.monitoring.answers import Answers, Record

__all__ = [
    "CAUSES",
    "NOT_EXAMINED",
    "SEVERAL",
    "TRUNCATED",
    "TTL",
    "UNEXPLAINED",
    "VERSION",
    "Mismatch",
    "explain",
]

TTL, VERSION, TRUNCATED, SEVERAL = "ttl", "version", "truncated", "several"
UNEXPLAINED, NOT_EXAMINED = "unexplained", "not examined"
CAUSES = (
    LATE, LAG, EPOCH, CLOCK, MISSING, CONFLICT, TTL, VERSION, TRUNCATED, SEVERAL, UNEXPLAINED, NOT_EXAMINED,
)  # fmt: skip
"""Every cause a mismatch may be told to have, in the order told."""

_PAIRS = 1 << 20
"""About how many events the kernel is given at once."""


class Mismatch(NamedTuple):
    """Rows in which one feature was served another value than history says.

    Attributes:
        feature: The feature.
        rows: Their places among the answers, ascending.
        expected: What history says of all answers.
    """

    feature: str
    rows: Array
    expected: Column


def explain(
    binding: Binding, answers: Answers, mismatches: Sequence[Mismatch], record: Record, most: int
) -> Mapping[tuple[str, int], str | None]:
    """Why values differ.

    Args:
        binding: The view.
        answers: What was answered.
        mismatches: What differs, by feature.
        record: Tells the events behind it.
        most: How many answers are looked into; those beyond are told as not examined.

    Returns:
        (feature, row) -> its cause; None where the values agree after all: how far doubles may lie off is
        told exactly only by the events behind them.

    Raises:
        DataError: A source cannot be read.
    """
    causes: dict[tuple[str, int], str | None] = {}
    left: dict[int, list[str]] = {}
    for each in mismatches:
        for row in each.rows.tolist():
            cause = _direct(binding, answers, each, row)
            if cause:
                causes[each.feature, row] = cause
            else:
                left.setdefault(row, []).append(each.feature)
    rows = sorted(left)
    for row in rows[most:]:
        causes.update({(name, row): NOT_EXAMINED for name in left[row]})
    if rows[:most]:
        looked = np.array(rows[:most], dtype=np.int64)
        evidence = Evidence(binding, answers, looked, record)
        by_feature = {each.feature: each for each in mismatches}
        for some in _slices(evidence, looked):
            open_ = {(name, row) for row in some for name in left[row]}
            causes.update(_Slice(binding, answers, evidence, by_feature, open_).causes())
    return causes


def _direct(binding: Binding, answers: Answers, of: Mismatch, row: int) -> str:
    """The cause of a mismatch that the answer itself tells, or its age; empty for none."""
    reason = answers.reasons[row].get(of.feature, "")
    if reason == VERSION:
        return VERSION
    expected = int(of.expected.status[row])
    if isinstance(binding, LatestBinding) and binding.ttl is not None:
        served = int(answers.statuses[of.feature][row])
        if expected == OUTSIDE_MAX_AGE and served == NOT_FOUND:
            return TTL
        if expected == OUTSIDE_MAX_AGE and answers.ages[of.feature][row] > binding.ttl:
            return TTL  # served beyond its age
    return ""


def _slices(evidence: Evidence, rows: Array) -> Iterator[list[int]]:
    """Rows whose events fit into memory together."""
    some: list[int] = []
    pairs = 0
    for row in rows.tolist():
        some.append(row)
        pairs += evidence.size(row)
        if pairs > _PAIRS:
            yield some
            some, pairs = [], 0
    if some:
        yield some


Explain = Callable[[int], Explained | None]


class _Slice:
    """Some answers, looked into together."""

    def __init__(
        self,
        binding: Binding,
        answers: Answers,
        evidence: Evidence,
        mismatches: Mapping[str, Mismatch],
        open_: set[tuple[str, int]],
    ) -> None:
        self._binding = binding
        self._answers = answers
        self._evidence = evidence
        self._of = mismatches
        self._open = open_
        self._within: dict[tuple[str, int], float] = {}
        self._causes: dict[tuple[str, int], str | None] = {}

    def causes(self) -> Mapping[tuple[str, int], str | None]:
        """(feature, row) -> why."""
        self._agree_after_all()
        evidence = self._evidence
        ways: tuple[Explain, ...] = (evidence.as_noted, evidence.without_record, evidence.up_to_frontier)
        for way in ways:
            self._try(way)
        for name, row in self._open:
            self._causes[name, row] = TRUNCATED if self._is_truncated(name, row) else UNEXPLAINED
        return self._causes

    def _is_truncated(self, name: str, row: int) -> bool:
        """Whether a value is what was kept of a map that grew too large: a part, and told to be one."""
        expected = self._of[name].expected
        history = int(expected.status[row]) == INVALID and expected.reason == TRUNCATED
        return history or self._answers.reasons[row].get(name) == TRUNCATED

    def _rows(self) -> list[int]:
        return sorted({row for _, row in self._open})

    def _agree_after_all(self) -> None:
        """Find out exactly how far doubles may lie off, and which of them do agree."""
        if not isinstance(self._binding, AggregateBinding):
            return
        for name in sorted({name for name, _ in self._open}):
            rows = sorted(row for each, row in self._open if each == name)
            sets = [self._evidence.history(row) for row in rows]
            t = self._answers.t[rows]
            within = slacks(self._binding, name, self._evidence.pool, sets, t)
            if within is None:
                continue
            self._within.update({(name, row): far for row, far in zip(rows, within.tolist(), strict=True)})
            same = self._agree(name, rows, self._of[name].expected, rows)
            for row, agrees in zip(rows, same, strict=True):
                if agrees:
                    self._settle(name, row, None)

    def _settle(self, name: str, row: int, cause: str | None) -> None:
        self._open.discard((name, row))
        self._causes[name, row] = cause

    def _agree(self, name: str, rows: Sequence[int], column: Column, places: Sequence[int]) -> list[bool]:
        """Whether what was served in some rows is what a column has at some places."""
        at, there = pa.array(rows, pa.int64()), pa.array(places, pa.int64())
        kind = kind_of(self._binding, name)
        within = None
        if rows and all((name, row) in self._within for row in rows):
            within = np.array([self._within[name, row] for row in rows])
        found = compare(column.values.take(there), self._answers.values[name].take(at), kind, within).equal
        status = np.asarray(column.status)[np.asarray(places, dtype=np.int64)]
        same: list[bool] = (found & (status == self._answers.statuses[name][rows])).tolist()
        return same

    def _try(self, way: Explain) -> None:
        """Explain what one way of telling an answer's events explains."""
        told = {row: each for row in self._rows() if (each := way(row)) is not None}
        if not told:
            return
        rows = list(told)
        names = sorted({name for name, row in self._open if row in told})
        found = features_over(
            self._binding,
            names,
            self._evidence.pool,
            [told[row].events for row in rows],
            self._answers.t[rows],
        )
        mixed: list[tuple[str, int]] = []
        for name in names:
            places = [place for place, row in enumerate(rows) if (name, row) in self._open]
            same = self._agree(name, [rows[place] for place in places], found[name], places)
            for place, agrees in zip(places, same, strict=True):
                if not agrees:
                    continue
                causes = [each.cause for each in told[rows[place]].differences]
                if len(causes) > 1:
                    mixed.append((name, rows[place]))
                elif causes and causes[0] != UNKNOWN:
                    self._settle(name, rows[place], causes[0])
        if mixed:
            self._tell_apart(told, mixed)

    def _tell_apart(self, told: Mapping[int, Explained], mixed: Sequence[tuple[str, int]]) -> None:
        """Of answers that differ by several causes, find out which of them the feature depends on."""
        rows = sorted({row for _, row in mixed})
        pairs = [(row, each) for row in rows for each in told[row].differences]
        sets = []
        for row, each in pairs:
            history = self._evidence.history(row)
            left = history[~np.isin(history, each.without)]
            sets.append(np.concatenate([left, np.array(each.more, dtype=np.int64)]))
        names = sorted({name for name, _ in mixed})
        t = self._answers.t[[row for row, _ in pairs]]
        found = features_over(self._binding, names, self._evidence.pool, sets, t)
        for name, row in mixed:
            column = found[name]
            mine = [place for place, (own, _) in enumerate(pairs) if own == row]
            expected = self._of[name].expected
            alone = compare(
                expected.values.take(pa.array([row] * len(mine), pa.int64())),
                column.values.take(pa.array(mine, pa.int64())),
                kind_of(self._binding, name),
            ).equal
            moved = {
                pairs[place][1].cause
                for place, same in zip(mine, alone.tolist(), strict=True)
                if not same or column.status[place] != expected.status[row]
            }
            if UNKNOWN in (moved or {each.cause for each in told[row].differences}):
                continue
            self._settle(name, row, moved.pop() if len(moved) == 1 else SEVERAL)


def kind_of(binding: Binding, feature: str) -> str:
    """The kind of the aggregation that makes a feature; empty for what is only stored, and companions."""
    if not isinstance(binding, AggregateBinding):
        return ""
    (plan,) = binding.plan.only([feature]).features
    return plan.aggregation.kind if plan.names[0] == feature else ""
