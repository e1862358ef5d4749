"""Labels: what became of an event, told within a span of time after it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.definitions.base import Definition, Versioned
from headrace.definitions.source import EventSource
from headrace.definitions.span import Span, span
from headrace.schema import Schema

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

__all__ = ["ATTRIBUTIONS", "Label"]

_WEEK, _AT_ONCE = span("7d"), span("0s")
ATTRIBUTIONS = ("last_touch", "first_touch", "every_touch")


@dataclass(frozen=True)
class Label(Versioned):
    """Whether (or how much) a touch was followed by an event of `source` within a span of time.

    Attributes:
        source: The events that make the label, such as conversions.
        touches: The events that can be credited, such as clicks; None credits the spine's own rows.
        keys: Columns that both sides share.
        within: Microseconds after the touch within which an event counts.
        attribution: Which touch gets the credit: the last before the event, the first, or every one.
        where: SQL condition on the source's columns; only rows where it is TRUE count.
        touches_where: SQL condition on the columns of `touches`; only rows where it is TRUE can be credited.
        value: A column of numbers to sum up as the label; None labels whether there was an event.
        count: Whether the label is the number of events, instead of whether there was one.
        reported_within: Microseconds after it happened by which an event of `source` is known: a label is
            mature once this has passed after `within`.
    """

    _: KW_ONLY
    source: EventSource
    touches: EventSource | None = None
    keys: tuple[str, ...] = ()
    within: Span = _WEEK
    attribution: str = "last_touch"
    where: str | None = None
    touches_where: str | None = None
    value: str | None = None
    count: bool = False
    reported_within: Span = _AT_ONCE

    kind: ClassVar[str] = "label"
    form: ClassVar[str] = "label"

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 - what may be written; the fields say what is kept
            self,
            name: str,
            *,
            source: EventSource,
            touches: EventSource | None = None,
            keys: Sequence[str],
            within: str | dt.timedelta | Span = "7d",
            attribution: str = "last_touch",
            where: str | None = None,
            touches_where: str | None = None,
            value: str | None = None,
            count: bool = False,
            reported_within: str | dt.timedelta | Span | None = None,
            version: str = "1",
            is_active: bool = True,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check the sources, the keys they share, and the span."""
        super().__post_init__()
        if not isinstance(self.source, EventSource):
            raise self.error(f"source is an hr.EventSource, not {self.source!r}.", asked=self.source)
        if self.touches is not None and not isinstance(self.touches, EventSource):
            raise self.error(f"touches is an hr.EventSource, not {self.touches!r}.", asked=self.touches)
        self._check_keys()
        for name in ("within", "reported_within"):
            with self.located(name):
                self._set(**{name: span(getattr(self, name) or Span(0))})
        if not self.within:
            raise self.error("within is nothing.", asked=self.within, remedy="Give a duration such as '7d'.")
        self.one_of("attribution", ATTRIBUTIONS)
        self._check_measure()
        self._check_conditions()

    @property
    def uses(self) -> tuple[Definition, ...]:
        """Its sources."""
        return (self.source,) if self.touches is None else (self.source, self.touches)

    def _check_keys(self) -> None:
        keys = self.sequence("keys", "a list of columns")
        if not keys or not all(isinstance(key, str) and key for key in keys):
            raise self.error(
                "it needs keys.", asked=self.keys, remedy="Name the columns that both sides share."
            )
        if len(set(keys)) < len(keys):
            raise self.error("a key is given twice.", asked=keys, remedy="Leave one out.")
        self._set(keys=keys)
        for side in (self.source, self.touches):
            if side is not None:
                self._check_columns(side, keys)

    def _check_conditions(self) -> None:
        for name in ("where", "touches_where"):
            given = getattr(self, name)
            if given is not None and (not isinstance(given, str) or not given.strip()):
                raise self.error(f"{name} is an SQL condition, not {given!r}.", asked=given)
        if self.touches_where is not None and self.touches is None:
            raise self.error(
                "touches_where selects touches, and there are none.",
                asked=self.touches_where,
                remedy="Give touches=, or leave it out.",
            )

    def _check_measure(self) -> None:
        if not isinstance(self.count, bool):
            raise self.error(f"count is True or False, not {self.count!r}.", asked=self.count)
        if self.value is not None:
            if self.count:
                raise self.error(
                    "it has a value and a count.",
                    asked=self.value,
                    remedy="Make two labels: one with value=, one with count=True.",
                )
            self._check_value(self.value)

    def _check_value(self, column: str) -> None:
        self._check_columns(self.source, (column,))
        schema = self.source.schema or Schema({})
        if column in schema and not schema[column].is_number:
            raise self.error(
                f"value needs a column of numbers, and {column!r} is of type {schema[column]}.",
                asked=column,
                available=[name for name, of in schema.items() if of.is_number],
            )

    def _check_columns(self, side: EventSource, columns: Sequence[str]) -> None:
        if side.schema is None:
            return
        known = [*side.schema, *side.columns]
        for column in columns:
            if column not in known:
                raise self.error(
                    f"source {side.name!r} has no column {column!r}.", asked=column, available=known
                )
