"""The replay: what was served is computed again at the instants it was served for, and compared."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, STATUS_NAMES, python_values
from headrace.monitoring.answers import NOT_ASKED
from headrace.monitoring.causes import TRUNCATED, VERSION, Mismatch, explain, kind_of
from headrace.monitoring.comparing import Compared, compare
from headrace.monitoring.report import Example, FeatureConsistency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.monitoring.answers import Answers, Record
    from headrace.monitoring.report import ViewConsistency

__all__ = ["Replay"]

_EXAMPLES = 3
"""How many examples of a cause are told of a view."""


class Replay(NamedTuple):
    """Compares what one view answered.

    Attributes:
        binding: The view, without a serving delay.
        record: What is known of its events.
        most: How many answers are looked into for causes at once.
    """

    binding: Binding
    record: Record
    most: int

    def judge(self, answers: Answers, expected: Mapping[str, Column], told: ViewConsistency) -> None:
        """Compare some answers, and add what is found to what is told of the view.

        Args:
            answers: What was answered.
            expected: Feature -> what history says of all of them.
            told: Is added to.

        Raises:
            DataError: A source cannot be read.
        """
        mismatches, apart = [], {}
        for name, column in expected.items():
            judged, unanswered = _judged(answers, name, column)
            feature = told.features.setdefault(name, FeatureConsistency(name))
            feature.unanswered += int(np.count_nonzero(unanswered))
            found = compare(column.values, answers.values[name], kind_of(self.binding, name))
            status = np.asarray(column.status)
            equal = found.equal & (status == answers.statuses[name])
            feature.compared += int(np.count_nonzero(judged))
            feature.equal += int(np.count_nonzero(judged & equal))
            rows = np.flatnonzero(judged & ~equal)
            if len(rows):
                mismatches.append(Mismatch(name, rows, column))
                apart[name] = found
        told.rows += len(answers.t)
        if mismatches:
            self._explain(answers, mismatches, apart, told)

    def _explain(
        self,
        answers: Answers,
        mismatches: list[Mismatch],
        apart: Mapping[str, Compared],
        told: ViewConsistency,
    ) -> None:
        causes = explain(self.binding, answers, mismatches, self.record, self.most)
        shown = Counter((each.cause) for each in told.examples)
        for of in mismatches:
            feature, found = told.features[of.feature], apart[of.feature]
            for row in of.rows.tolist():
                cause = causes[of.feature, row]
                if cause is None:
                    feature.equal += 1
                    continue
                feature.causes[cause] = feature.causes.get(cause, 0) + 1
                _widen(feature, float(found.error[row]), float(found.size[row]))
                if shown[cause] < _EXAMPLES:
                    shown[cause] += 1
                    told.examples.append(_example(answers, of, row, cause))


def _judged(answers: Answers, name: str, expected: Column) -> tuple[Array, Array]:
    """Which values are compared, and which were asked for and not answered."""
    status = answers.statuses[name]
    unanswered = np.zeros(len(status), dtype=bool)
    for row in np.flatnonzero(status == INVALID).tolist():
        reason = answers.reasons[row].get(name, "")
        same = int(expected.status[row]) == INVALID
        unanswered[row] = not same and reason not in {VERSION, TRUNCATED}
    return (status != NOT_ASKED) & ~unanswered, unanswered


def _widen(feature: FeatureConsistency, error: float, size: float) -> None:
    """Remember the largest errors."""
    if math.isnan(error):
        return
    feature.largest_absolute = max(feature.largest_absolute, error)
    feature.largest_relative = max(
        feature.largest_relative, error / size if size else math.inf if error else 0.0
    )


def _example(answers: Answers, of: Mismatch, row: int, cause: str) -> Example:
    place = pa.array([row])
    return Example(
        of.feature,
        cause,
        answers.keys.slice(row, 1).to_pylist()[0],
        int(answers.t[row]),
        int(answers.served_at[row]),
        python_values(answers.values[of.feature].take(place))[0],
        STATUS_NAMES[int(answers.statuses[of.feature][row])],
        python_values(of.expected.values.take(place))[0],
        STATUS_NAMES[int(of.expected.status[row])],
    )
