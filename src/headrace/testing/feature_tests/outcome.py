"""What became of feature tests, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import format_instant
from headrace.online.document import wire_value
from headrace.rendering import plain_table, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.errors import HeadraceError
    from headrace.testing.feature_tests.case import FeatureTest, Wanted

__all__ = ["Answer", "Counted", "Failure", "Outcome", "Report"]

_TABLES = 3
"""Of how many failures of one test the events are shown to people; programs get them all."""


class Answer(NamedTuple):
    """A value as one of the two paths gives it, in plain words."""

    value: Any
    status: str

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {"value": wire_value(self.value), "status": self.status}


class Counted(NamedTuple):
    """An event of a test, and what became of it.

    Attributes:
        source: Its source.
        number: Its place among the source's events, from 1.
        row: The event as it was written.
        counts: Whether it counts.
        why: Why it does not, or for what it does.
    """

    source: str
    number: int
    row: Mapping[str, Any]
    counts: bool
    why: str

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {**self._asdict(), "row": wire_value(dict(self.row))}


class Failure(NamedTuple):
    """A value that is not as expected.

    Attributes:
        feature: As the test calls it.
        entity: The keys and request fields of the question.
        at: The instant of the question.
        wanted: What was expected; its value in plain words.
        offline: What history says.
        online: What serving says; None where it was not asked.
        events: The events behind the feature.
    """

    feature: str
    entity: Mapping[str, Any]
    at: int
    wanted: Wanted
    offline: Answer
    online: Answer | None
    events: Sequence[Counted]

    def to_dict(self) -> dict[str, Any]:
        """The failure as JSON values."""
        wanted = {"value": wire_value(self.wanted.value)} if self.wanted.has_value else {}
        return {
            "feature": self.feature,
            "entity": wire_value(dict(self.entity)),
            "at": format_instant(self.at),
            "expected": {**wanted, "status": self.wanted.status, "tolerance": self.wanted.tolerance},
            "offline": self.offline.to_dict(),
            "online": None if self.online is None else self.online.to_dict(),
            "events": [each.to_dict() for each in self.events],
        }


@dataclass(frozen=True)
class Outcome:
    """What became of one test.

    Attributes:
        test: The test.
        values: How many values were compared with what was expected.
        failures: Those that were not as expected.
        offline_only: Why serving was not asked; empty where it was.
        error: Why the test could not be run.
    """

    test: FeatureTest
    values: int = 0
    failures: Sequence[Failure] = ()
    offline_only: str = ""
    error: HeadraceError | None = None

    @property
    def word(self) -> str:
        """`passed`, `failed` or `error`."""
        return "error" if self.error else "failed" if self.failures else "passed"

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        return {
            "name": self.test.name,
            "written": self.test.written,
            "outcome": self.word,
            "values": self.values,
            "offline_only": self.offline_only or None,
            "error": None if self.error is None else str(self.error),
            "failures": [each.to_dict() for each in self.failures],
        }

    def told(self) -> str:
        """What went wrong, in tables; empty where nothing did."""
        if self.error is not None:
            return str(self.error)
        if not self.failures:
            return ""
        shown = [
            plain_table(
                ("feature", "entity", "at", "expected", "offline", "online"), map(_line, self.failures)
            )
        ]
        shown += [_events(each) for each in self.failures[:_TABLES] if each.events]
        return "\n\n".join([f"{self.test.written}: {self.test.name}", *shown])


def _line(failure: Failure) -> list[str]:
    wanted = failure.wanted
    # a status is worth a word where one is expected, or where it is all that differs
    with_status = wanted.status is not None or not wanted.has_value or _same_values(failure)
    expected = [_shown(wanted.value)] * wanted.has_value + [wanted.status or ""]
    answers = [
        "-" if each is None else f"{_shown(each.value)} {each.status}" if with_status else _shown(each.value)
        for each in (failure.offline, failure.online)
    ]
    entity = ", ".join(f"{name}={written(value)}" for name, value in failure.entity.items())
    return [failure.feature, entity, format_instant(failure.at), " ".join(expected).strip(), *answers]


def _same_values(failure: Failure) -> bool:
    return (
        failure.online is not None and failure.offline.value == failure.online.value == failure.wanted.value
    )


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value) if isinstance(value, float) else written(value)


def _events(failure: Failure) -> str:
    """The events behind one value: which count, and why the others do not."""
    columns = list(dict.fromkeys(name for each in failure.events for name in each.row))
    sources = {each.source for each in failure.events}
    rows = [
        [
            f"{each.source} {each.number}" if len(sources) > 1 else each.number,
            *(_shown(each.row.get(name)) for name in columns),
            "yes" if each.counts else "no",
            each.why,
        ]
        for each in failure.events
    ]
    title = f"Events of {', '.join(sorted(sources))} for {failure.feature} at {format_instant(failure.at)}:"
    return f"{title}\n{plain_table(('event', *columns, 'counts', 'why'), rows)}"


@dataclass(frozen=True)
class Report:
    """What became of all tests."""

    outcomes: Sequence[Outcome]

    def count(self, word: str) -> int:
        """How many tests `passed`, `failed`, or ended in an `error`."""
        return sum(each.word == word for each in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "errors": self.count("error"),
            "tests": [each.to_dict() for each in self.outcomes],
        }
