"""A feature test: what happened, who asks when, and what the answer should be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.aggregations.base import written_at
from headrace.clock import instant
from headrace.errors import DefinitionError, HeadraceError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

__all__ = ["AT", "FeatureTest", "Wanted", "located"]

AT = "at"
"""Where a row of what is expected holds its instant."""

_NEVER = 1 << 61
"""An instant by which all is known and every label mature."""

_LONG = {"value", "status", "tolerance"}


class Wanted(NamedTuple):
    """What is expected of one feature at one instant.

    Attributes:
        value: The value, where `has_value`.
        has_value: False where only the status matters.
        status: The status; None for any.
        tolerance: How far a double may be away; None for a millionth of it.
    """

    value: Any
    has_value: bool = True
    status: str | None = None
    tolerance: float | None = None

    @classmethod
    def of(cls, written: Any, tolerance: float | None) -> Wanted:
        """Read what is written: a value, or a mapping with `value`, `status` or `tolerance`.

        Raises:
            DefinitionError: The status or the tolerance is none.
        """
        if not isinstance(written, Mapping) or not written or not set(written) <= _LONG:
            return cls(written, tolerance=tolerance)
        from headrace.kernel.columns import STATUS_NAMES

        status = written.get("status")
        if status is not None and status not in STATUS_NAMES:
            raise DefinitionError(f"{status!r} is no status.", asked=status, available=STATUS_NAMES)
        return cls(
            written.get("value"),
            "value" in written,
            status,
            _tolerance(written["tolerance"]) if "tolerance" in written else tolerance,
        )


@dataclass(frozen=True)
class FeatureTest:
    """Literal events in, expected values at some instants out.

    Attributes:
        name: What it shows, in words.
        events: Source -> its rows; a column that a row leaves out is null there. Sources that are not named
            hold nothing.
        expected: Feature -> its value at `at`, or a list of values where `at` is a list; or rows, each with
            the entity's keys, `at` and features. A value is the value itself, or a mapping with `value`,
            `status` and `tolerance`, each of which may be left out. Labels stand there as features do, in the
            columns of a training set.
        at: The instant, or instants, of the question.
        as_of: What was not known before this instant counts for no label; by default all counts.
        entity: The entity's keys.
        context: Request fields of on-demand features.
        view: Features without a view are this one's.
        service: Features without a view are this service's columns.
        tolerance: How far doubles may be away; a millionth of the value by default.
        online: Whether the online path is asked too.
        written: File and line.
    """

    name: str
    _: KW_ONLY
    events: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    expected: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()
    at: str | int | dt.datetime | Sequence[str | int | dt.datetime] | None = None
    as_of: str | int | dt.datetime | None = None
    entity: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    view: str = ""
    service: str = ""
    tolerance: float | None = None
    online: bool = True
    written: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Check the shape; what the names mean is known only where there are definitions.

        Raises:
            DataError: An instant is none.
            DefinitionError: The shape is wrong. The text names file and line.
        """
        object.__setattr__(self, "written", self.written or written_at())
        with located(self.written):
            self._check_fields()
            if isinstance(self.expected, Mapping):
                self._check_columns()
            else:
                self._check_rows()
            self.asked()
            self.until()

    @classmethod
    def read(cls, given: Mapping[str, Any], written: str) -> FeatureTest:
        """A test from what a file says of it.

        Raises:
            DefinitionError: The shape is wrong, or a key means nothing.
        """
        known = [each.name for each in fields(cls) if each.name not in {"_", "written"}]
        with located(written):
            for name in given:
                if name not in known:
                    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5) or known
                    raise DefinitionError(f"A feature test has no {name!r}.", asked=name, available=near)
            if not isinstance(given.get("name"), str) or not given["name"].strip():
                raise DefinitionError(
                    "A feature test has no name.", remedy="Say in words what it shows: name: ..."
                )
        return cls(**given, written=written)

    def asked(self) -> list[dict[str, Any]]:
        """The rows of what is expected: keys, request fields and features by name, `at` in microseconds.

        Raises:
            DataError: An instant is none.
            DefinitionError: Lists differ in length.
        """
        if not isinstance(self.expected, Mapping):
            return [{**row, AT: instant(row[AT])} for row in self.expected]
        if isinstance(self.at, (list, tuple)):
            instants = [instant(each) for each in self.at]
            columns = {
                name: self._listed(name, value, len(instants)) for name, value in self.expected.items()
            }
        else:
            instants = [instant(self.at)]  # type: ignore[arg-type] # _check has seen to it
            columns = {name: [value] for name, value in self.expected.items()}
        return [
            {**self.entity, **self.context, AT: t, **{name: values[row] for name, values in columns.items()}}
            for row, t in enumerate(instants)
        ]

    def until(self) -> int:
        """What was not known before this instant counts for no label, microseconds UTC.

        Raises:
            DataError: `as_of` is no instant.
        """
        return _NEVER if self.as_of is None else instant(self.as_of)

    def _listed(self, name: str, value: Any, n: int) -> Sequence[Any]:
        if isinstance(value, (list, tuple)) and len(value) == n:
            return value
        raise DefinitionError(
            f"There are {n} instants, and {name!r} does not list {n} values.",
            asked=value,
            remedy="Give one value for each instant, in their order.",
        )

    def _check_fields(self) -> None:
        for name in ("events", "entity", "context"):
            if not _is_row(getattr(self, name)):
                raise DefinitionError(f"{name} maps names, but is {getattr(self, name)!r}.", asked=name)
        for name in ("name", "view", "service"):
            if not isinstance(getattr(self, name), str):
                raise DefinitionError(f"{name} is a text, not {getattr(self, name)!r}.", asked=name)
        for source, rows in self.events.items():
            if not _is_rows(rows):
                raise DefinitionError(
                    f"The events of {source!r} are no list of rows.",
                    asked=source,
                    remedy="Write each as {column: value, ...}.",
                )
        if self.view and self.service:
            raise DefinitionError("Give a view or a service, not both.", asked=self.service)
        if self.tolerance is not None:
            _tolerance(self.tolerance)
        if not isinstance(self.online, bool):
            raise DefinitionError("online is true or false.", asked=self.online)

    def _check_columns(self) -> None:
        if not self.expected or not _is_row(self.expected):
            raise DefinitionError(
                "Nothing is expected by name.", remedy="Give expected: {view:feature: value}."
            )
        if self.at is None or self.at in ([], ()):
            raise DefinitionError(
                "It is not said when the features are asked for.", remedy="Give at: 2026-03-01T12:00:00Z."
            )

    def _check_rows(self) -> None:
        if not _is_rows(self.expected) or not self.expected:
            raise DefinitionError(
                "Nothing is expected, or what is expected are no rows.",
                remedy="Give expected: {view:feature: value}, or a list of rows with keys, at and features.",
            )
        if self.at is not None or self.entity or self.context:
            raise DefinitionError(
                "Rows of what is expected say themselves who asks when.",
                remedy="Write keys, at and request fields into the rows; leave out at, entity and context.",
            )
        if any(AT not in row for row in self.expected):
            raise DefinitionError("A row of what is expected does not say when.", remedy="Give it at: ...")


def _is_rows(rows: Any) -> bool:
    return isinstance(rows, (list, tuple)) and all(_is_row(row) for row in rows)


def _is_row(row: Any) -> bool:
    return isinstance(row, Mapping) and all(isinstance(name, str) for name in row)


def _tolerance(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise DefinitionError(f"{value!r} is no tolerance.", asked=value, remedy="Give a number from 0 on.")
    return float(value)


@contextmanager
def located(written: str) -> Iterator[None]:
    """Errors raised inside name the place first."""
    try:
        yield
    except HeadraceError as error:
        if error.message.startswith(f"{written}: "):
            raise
        raise type(error)(
            f"{written}: {error.message}", asked=error.asked, available=error.available, remedy=error.remedy
        ) from error
