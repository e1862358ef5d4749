"""Sources: where rows come from, and which of their columns carry time and identity."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.clock import instant
from headrace.definitions.address import NO_SECRETS, holds_secret
from headrace.definitions.base import METADATA, Definition
from headrace.definitions.frozen import FrozenMapping
from headrace.definitions.rules import Rule
from headrace.definitions.span import Span, span
from headrace.definitions.stream import Stream
from headrace.errors import DataError
from headrace.schema import Schema, Type

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from headrace.definitions.message_form import MessageForm

__all__ = ["ON_INVALID", "EventSource", "InMemory", "Source", "TableSource"]

ON_INVALID = ("quarantine", "reject", "warn")

_RESERVED = "__"
"""What the names of Headrace's own columns begin with."""


@dataclass(frozen=True)
class InMemory:
    """Stands for an in-memory table in a definition read from the registry, where tables are not kept."""


def _registered(batch: Any) -> Any:
    """What the canonical form keeps of a batch: paths, and that there was a table in memory."""
    return batch if batch is None or isinstance(batch, str) else InMemory()


def _rows_part(source: Any) -> str:
    """Rules change values only where they keep rows out."""
    return "semantic" if source.rules and source.on_invalid != "warn" else "metadata"


@dataclass(frozen=True)
class Source(Definition):
    """What event and table sources have in common.

    Attributes:
        batch: A path, a glob or an in-memory table: Parquet, CSV or JSON Lines. None if there is none.
        schema: The columns read and their types; None to read them from `batch` once, when the project is
            planned.
        timestamp: The column of event times.
        available_at: The column that says when a row could be known; None where that is the event time.
        columns: Derived columns: names and row-level expressions in DuckDB's scalar SQL.
        rules: What rows have to be; each names a column.
        on_invalid: What becomes of rows that break a rule: "quarantine", "reject" or "warn".
        allow_infinite: Whether infinite doubles are let in.
    """

    batch: Any = field(default=None, compare=False, metadata={"part": "metadata", "form": _registered})
    _: KW_ONLY
    schema: Schema | None = None
    timestamp: str = ""
    available_at: str | None = None
    columns: FrozenMapping[str] = field(default_factory=lambda: FrozenMapping({}))
    rules: tuple[Rule, ...] = field(default=(), metadata={"part": _rows_part})
    on_invalid: str = field(default="quarantine", metadata={"part": _rows_part})
    allow_infinite: bool = False

    kind: ClassVar[str] = "source"

    def __post_init__(self) -> None:
        """Check columns, batch and rules."""
        super().__post_init__()
        self._check_batch()
        self._check_schema()
        self._check_columns()
        for role in ("timestamp", *self.times):
            self._check_time(role)
        self.one_of("on_invalid", ON_INVALID)
        if not isinstance(self.allow_infinite, bool):
            raise self.error("allow_infinite is True or False.", asked=self.allow_infinite)
        self._check_rules()

    @property
    def times(self) -> tuple[str, ...]:
        """The optional fields that name a column of instants."""
        return ("available_at",)

    @property
    def in_memory(self) -> bool:
        """Whether the batch is a table in memory, not a path."""
        return self.batch is not None and not isinstance(self.batch, str)

    @property
    def has_stream(self) -> bool:
        """Whether events may be pushed to it."""
        return False

    @property
    def message_form(self) -> MessageForm | None:
        """What messages of its stream are, where they are no JSON."""
        return None

    def _check_batch(self) -> None:
        given = self.batch
        if isinstance(given, os.PathLike):
            self._set(batch=os.fspath(given))
        elif isinstance(given, str):
            if not given.strip():
                raise self.error(
                    "batch is an empty path.", asked=given, remedy="Give a path, or leave it out."
                )
            if holds_secret(given):
                raise self.error("batch holds a password.", asked="batch", remedy=NO_SECRETS)
        elif (
            given is not None and not isinstance(given, InMemory) and not hasattr(given, "__arrow_c_stream__")
        ):
            raise self.error(
                f"batch is a path, a glob or a table, not of type {type(given).__name__}.",
                asked=type(given).__name__,
                remedy="Give a path, or an Arrow, pandas or polars table.",
            )

    def _check_schema(self) -> None:
        given: Any = self.schema
        if given is None:
            if self.batch is None:
                raise self.error(
                    "it has neither a schema nor a batch to read one from.",
                    remedy='Declare schema={"ts": "timestamp", ...}.',
                )
            return
        if not isinstance(given, Mapping) or not given:
            raise self.error(
                "schema maps column names to types.",
                asked=given,
                remedy='Give schema={"ts": "timestamp", ...}.',
            )
        for name in given:
            if not isinstance(name, str) or not name or name.startswith(_RESERVED):
                raise self.error(
                    f"{name!r} cannot be a column's name.",
                    asked=name,
                    remedy="Use a text that does not begin with __; such names are Headrace's own.",
                )
        with self.located("schema"):
            self._set(schema=Schema(given))

    def _check_columns(self) -> None:
        given: Any = self.columns
        if not isinstance(given, Mapping):
            raise self.error(
                "columns maps names to expressions.", asked=given, remedy='Give columns={"hour": "..."}.'
            )
        for name, expression in given.items():
            if not isinstance(name, str) or not name.isidentifier() or name.startswith(_RESERVED):
                raise self.error(
                    f"{name!r} cannot be a derived column's name.",
                    asked=name,
                    remedy="Use letters, digits and _, without __ in front.",
                )
            if not isinstance(expression, str) or not expression.strip():
                raise self.error(
                    f"the derived column {name!r} has no expression.",
                    asked=expression,
                    remedy="Give SQL as a text.",
                )
            if self.schema is not None and name in self.schema:
                raise self.error(
                    f"the derived column {name!r} shadows a column of the schema.",
                    asked=name,
                    remedy="Give it another name.",
                )
        self._set(columns=FrozenMapping(given))

    def _check_time(self, role: str) -> None:
        column = getattr(self, role)
        if column is None and role != "timestamp":
            return
        if not isinstance(column, str) or not column:
            raise self.error(f"{role} names a column.", asked=column, remedy=f'Give {role}="...".')
        self.require(column, role)
        if self.schema is not None and self.schema[column].name != "timestamp":
            raise self.error(
                f"the {role} column {column!r} is of type {self.schema[column]}, not a timestamp.",
                asked=column,
                available=[name for name, of in self.schema.items() if of.name == "timestamp"],
                remedy=_time_remedy(column, self.schema[column].name),
            )

    def require(self, column: str, role: str) -> None:
        """Check that a column that plays a role is read, not derived.

        Raises:
            DefinitionError: It is derived, or missing from the declared schema.
        """
        if column in self.columns:
            raise self.error(
                f"the {role} column {column!r} is derived.",
                asked=column,
                remedy="Times, keys and ids are read from the data; name a column of the schema.",
            )
        if self.schema is not None and column not in self.schema:
            raise self.error(
                f"the {role} column {column!r} is not in the schema.",
                asked=column,
                available=list(self.schema),
                remedy="Declare it in schema=, or name one of these.",
            )

    def _check_rules(self) -> None:
        rules = self.sequence("rules")
        for rule in rules:
            if not isinstance(rule, Rule):
                raise self.error(f"{rule!r} is not a rule.", asked=rule, remedy="Make it with hr.rules.")
            if rule.kind != "custom" and not rule.column:
                raise self.error(
                    f"the rule {rule} names no column.",
                    asked=rule,
                    remedy=f'Give hr.rules.{rule.kind}("column", ...).',
                )
            if rule.column and self.schema is not None and rule.column not in {*self.schema, *self.columns}:
                raise self.error(
                    f"the rule {rule} speaks of a column that is not there.",
                    asked=rule.column,
                    available=[*self.schema, *self.columns],
                )
        self._set(rules=rules)


@dataclass(frozen=True)
class EventSource(Source):
    """Things that happened: rows that are never changed once written.

    Attributes:
        event_id: The column that tells copies of one event from other events.
        serving_delay: Microseconds from `known` until serving can count an event; modelled in training data.
        lateness: Microseconds within which rows still reach the batch after they were known.
        dedup_horizon: Microseconds over which the stream remembers event ids.
        complete_until: The instant up to which the batch holds every event, microseconds; None if unknown.
        stream: Where new events come from; None if they come by batch alone.
    """

    _: KW_ONLY
    event_id: str | None = None
    serving_delay: Span = field(default=Span(0), metadata=METADATA)
    lateness: Span = field(default=span("1h"), metadata=METADATA)
    dedup_horizon: Span = field(default=span("1h"), metadata=METADATA)
    complete_until: int | None = field(default=None, metadata=METADATA)
    stream: Stream | None = field(default=None, metadata=METADATA)

    form: ClassVar[str] = "events"

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 - what may be written; the fields say what is kept
            self,
            name: str,
            batch: Any = None,
            *,
            timestamp: str,
            schema: Mapping[str, str | Type] | None = None,
            available_at: str | None = None,
            event_id: str | None = None,
            columns: Mapping[str, str] = ...,
            stream: Stream | None = None,
            serving_delay: str | dt.timedelta | Span | None = None,
            lateness: str | dt.timedelta | Span = "1h",
            dedup_horizon: str | dt.timedelta | Span = "1h",
            complete_until: str | dt.datetime | int | None = None,
            rules: Sequence[Rule] = (),
            on_invalid: str = "quarantine",
            allow_infinite: bool = False,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    @property
    def has_stream(self) -> bool:
        """Whether events may be pushed to it."""
        return self.stream is not None

    @property
    def message_form(self) -> MessageForm | None:
        """What messages of its stream are, where they are no JSON."""
        return None if self.stream is None else self.stream.message_form

    def __post_init__(self) -> None:
        """Check the id, the durations and the stream."""
        super().__post_init__()
        if self.event_id is not None:
            if not isinstance(self.event_id, str) or not self.event_id:
                raise self.error("event_id names a column.", asked=self.event_id)
            self.require(self.event_id, "event_id")
            if self.schema is not None and not self.schema[self.event_id].is_scalar:
                raise self.error(
                    f"the event_id column {self.event_id!r} is of type {self.schema[self.event_id]}.",
                    asked=self.event_id,
                    remedy="An id is a scalar.",
                )
        for name in ("serving_delay", "lateness", "dedup_horizon"):
            with self.located(name):
                self._set(**{name: span(getattr(self, name) or Span(0))})
        if self.complete_until is not None:
            try:
                self._set(complete_until=instant(self.complete_until))
            except DataError as error:
                raise self.error(
                    f"complete_until: {error.message}", asked=error.asked, remedy=error.remedy
                ) from None
        if isinstance(self.stream, str) and holds_secret(self.stream):
            raise self.error("stream holds a password.", asked="stream", remedy=NO_SECRETS)
        if self.stream is not None and not isinstance(self.stream, Stream):
            raise self.error(
                f"{self.stream!r} is not a stream.",
                asked=self.stream,
                available=["hr.KafkaStream", "hr.RedisStream", "hr.JsonLinesStream", "hr.Push"],
            )


@dataclass(frozen=True)
class TableSource(Source):
    """The state of things: each row holds from its timestamp until a newer row of the same key.

    Attributes:
        created_at: The column that breaks ties between rows of one timestamp; the greater is the newer.
    """

    _: KW_ONLY
    created_at: str | None = None

    form: ClassVar[str] = "table"

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 - what may be written; the fields say what is kept
            self,
            name: str,
            batch: Any = None,
            *,
            timestamp: str,
            schema: Mapping[str, str | Type] | None = None,
            created_at: str | None = None,
            available_at: str | None = None,
            columns: Mapping[str, str] = ...,
            rules: Sequence[Rule] = (),
            on_invalid: str = "quarantine",
            allow_infinite: bool = False,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    @property
    def times(self) -> tuple[str, ...]:
        """The optional fields that name a column of instants."""
        return ("available_at", "created_at")


def _time_remedy(column: str, of: str) -> str:
    """What to do about a time column of another type; numbers must not be taken for another unit's."""
    match of:
        case "int64":
            return (
                f'Declare {column!r} as "timestamp" only if it counts microseconds since 1970; else write a '
                "timestamp column."
            )
        case "string" | "date":
            return f'Declare {column!r} as "timestamp".'
        case _:
            return "Write a timestamp column."
