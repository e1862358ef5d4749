"""An aggregation as it stands in a definition: a frozen value with name, inputs, windows and states needed.

An aggregation does not keep states itself. It names the *measures* it needs (an algebra over some columns,
under a filter), and finishes their states into a feature value. Two aggregations with equal measures share
the states: a rate costs nothing beside the counts it divides.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, final

from headrace.aggregations.algebra import Fixed
from headrace.aggregations.by_key import MAX_KEYS, ByKey, Maps
from headrace.errors import DefinitionError
from headrace.lazy import numpy as np
from headrace.schema import Type
from headrace.windows import Lifetime, Window, window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from headrace.aggregations.algebra import Algebra
    from headrace.aggregations.states import Array, Finished, States

__all__ = ["Aggregation", "Measure", "Output", "written_at"]


Kept = TypeVar("Kept")
Given = TypeVar("Given")

if TYPE_CHECKING:

    class Written(Generic[Kept, Given]):
        """A field that is kept in another type than it may be written in.

        Type checkers read it as the descriptor it says to be; at run time the field is plain, and
        `__post_init__` brings it into form.
        """

        def __get__(self, instance: object, owner: object) -> Kept: ...

        def __set__(self, instance: object, value: Given) -> None: ...


_NONE: Any = ()


class Measure(NamedTuple):
    """States one or more aggregations read: an algebra over columns, under a filter.

    Attributes:
        algebra: The verbs.
        columns: The columns lifted; a row counts only where none is null.
        where: SQL condition; a row counts only where it is TRUE. None for all rows.
    """

    algebra: Algebra
    columns: tuple[str, ...] = ()
    where: str | None = None


class Output(NamedTuple):
    """An output column of an aggregation over one window: what it adds to the feature's name; its type."""

    companion: str
    type: Type


@dataclass(frozen=True)
class Aggregation:
    """The base of all aggregations; `windows`, `where`, `by` and the metadata mean the same in each.

    A kind says what it is without a key: it overrides `_columns`, `_measures`, `_outputs` and `_finish`. What
    makes a map of it is written here, once.

    Attributes:
        name: The stem of the feature names.
        windows: Durations such as `"7d"`, `"all"`, or windows of `hr.window`, `hr.series`, `hr.calendar`.
        where: SQL condition on the source's columns; only rows where it is TRUE count.
        by: A column; the feature becomes a map from its values to what the aggregation says of their events.
            Null keys are skipped.
        max_keys: How many distinct keys a state keeps in full; beyond, the value is INVALID ("truncated").
        suffix: False gives a single-window aggregation's feature the bare name.
        description: What the feature means, in words.
        type: Feature type (numerical, categorical, binary, embedding, list); inferred when empty.
        tags: Words to find the feature by.
        owner: Who answers for it; the view's owner when empty.
        rules: Value rules.
        written: File and line of the definition.
    """

    name: str
    _: KW_ONLY
    windows: Written[tuple[Window, ...], str | Window | Iterable[str | Window]] = _NONE
    where: str | None = None
    by: str | None = None
    max_keys: int = MAX_KEYS
    suffix: bool = True
    description: str = ""
    type: str = ""
    tags: Written[tuple[str, ...], str | Iterable[str]] = _NONE
    owner: str = ""
    rules: Written[tuple[Any, ...], Iterable[Any]] = _NONE
    written: str = field(default="", compare=False, repr=False)

    kind: ClassVar[str] = ""
    zone: ClassVar[str] = "UTC"
    """The IANA zone of local days and hours: the view's, see `placed`, and no part of the definition."""
    windowed: ClassVar[bool] = True
    """Whether it is taken over windows; the others (decay, recency) have one value and no suffix."""

    def __post_init__(self) -> None:
        """Check what can be checked without the source, and bring windows, tags and rules into one form."""
        set_ = object.__setattr__
        set_(self, "written", self.written or written_at())
        try:
            set_(self, "windows", self._windows())
        except DefinitionError as error:
            raise self.error(
                error.message, asked=error.asked, available=error.available, remedy=error.remedy
            ) from None
        set_(self, "tags", (self.tags,) if isinstance(self.tags, str) else tuple(self.tags))
        set_(self, "rules", tuple(self.rules))
        if not isinstance(self.name, str) or not self.name.isidentifier() or "__" in self.name:
            raise self.error(
                f"{self.name!r} cannot be a feature's name.",
                asked=self.name,
                remedy="Use letters, digits and single _.",
            )
        if self.where is not None and not (isinstance(self.where, str) and self.where.strip()):
            raise self.error(
                f"where={self.where!r} is not a condition.",
                asked=self.where,
                remedy="Give a SQL condition such as \"event = 'click'\", or leave it out.",
            )
        if not isinstance(self.max_keys, int) or self.max_keys < 1:
            raise self.error(
                f"max_keys={self.max_keys!r} keeps no key.",
                asked=self.max_keys,
                remedy="Give a whole number of at least 1.",
            )
        if not self.suffix and len(self.windows) > 1:
            raise self.error(
                "suffix=False needs a single window.",
                asked=self.name,
                remedy="Give one window, or keep the suffixes.",
            )

    def _windows(self) -> tuple[Window, ...]:
        listed = not isinstance(self.windows, str) and isinstance(self.windows, Iterable)
        given = tuple(self.windows) if listed else (self.windows,)
        if not self.windowed:
            if given not in {(), (Lifetime(),)}:  # the latter is what it has, as dataclasses.replace gives it
                raise DefinitionError(
                    f"{self.kind} has no windows.", asked=self.name, remedy="Leave windows out."
                )
            return (Lifetime(),)
        if not given:
            raise DefinitionError(
                f"{self.kind} needs windows.",
                asked=self.name,
                remedy='Give windows=["7d"] or windows=["all"].',
            )
        for each in given:
            if not isinstance(each, (str, Window)):
                raise DefinitionError(
                    f"{each!r} is not a window.", asked=each, remedy="Give a duration such as '7d', or 'all'."
                )
        made = tuple(window(each) for each in given if isinstance(each, (str, Window)))
        if len({each.suffix for each in made}) < len(made):
            raise DefinitionError("A window is given twice.", asked=self.name, remedy="Leave one out.")
        return made

    def error(
        self, message: str, *, asked: object = None, available: Iterable[str] = (), remedy: str = ""
    ) -> DefinitionError:
        """A DefinitionError that names this aggregation and where it is written."""
        text = f"{self.written}: aggregation {self.name!r}: {message}"
        return DefinitionError(text, asked=asked, available=available, remedy=remedy)

    def placed(self, zone: str) -> Self:
        """The same in a view of a zone."""
        if zone == self.zone:
            return self
        moved = copy(self)
        object.__setattr__(moved, "zone", zone)
        return moved

    @property
    @final
    def columns(self) -> tuple[str, ...]:
        """The source columns it reads, its filter's aside."""
        return self._columns if self.by is None else (self.by, *self._columns)

    @property
    def _columns(self) -> tuple[str, ...]:
        """The same without a key."""
        return ()

    @property
    def references(self) -> tuple[str, ...]:
        """Names of other aggregations of the same view whose states it reads."""
        return ()

    def feature_name(self, of: Window) -> str:
        """The output name over one window."""
        return f"{self.name}_{of.suffix}" if self.suffix and self.windowed else self.name

    @final
    def measures(self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]) -> tuple[Measure, ...]:
        """The states it needs.

        Args:
            types: The source's columns, derived ones included.
            siblings: The view's aggregations by name.

        Raises:
            DefinitionError: A column has a type the aggregation cannot take, or it cannot be taken by a key.
        """
        plain = self._measures(types, siblings)
        if self.by is None:
            return plain
        key = self.column_type(self.by, types)
        return tuple(
            Measure(
                ByKey(self._of_one_key(each.algebra), key, self.max_keys),
                (self.by, *each.columns),
                each.where,
            )
            for each in plain
        )

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The same without a key."""
        raise AssertionError(self.kind)

    def _of_one_key(self, algebra: Algebra) -> Fixed:
        """The algebra of the state of each key, which has to be of one size."""
        if isinstance(algebra, Fixed):
            return algebra
        raise self.error(
            f"{self.kind} cannot be taken by a key: its states have no fixed size.",
            asked=self.by,
            remedy="Leave by= out, or take an aggregation that keeps single numbers, such as count or mean.",
        )

    @final
    def outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """The output columns over one window; the first is the feature itself, with companion `""`."""
        plain = self._outputs(types)
        if self.by is None:
            return plain
        key = self.column_type(self.by, types)
        if any(not each.type.is_scalar for each in plain):
            raise self.error(f"{self.kind} cannot be taken by a key: it has no single value.", asked=self.by)
        return tuple(Output(each.companion, Type("map", items=(key, each.type))) for each in plain)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """The same without a key."""
        raise AssertionError(self.kind)

    @final
    def finish(
        self,
        states: tuple[States, ...],
        t: Array,
        types: Mapping[str, Type],
        algebras: tuple[Algebra, ...],
    ) -> tuple[Finished, ...]:
        """The output columns' values.

        Args:
            states: One `States` of n rows for each measure.
            t: The instants the windows run up to, int64 microseconds, n rows: those of the queries, or the
                ends of windows that ended before.
            types: The source's columns.
            algebras: The measures' algebras.
        """
        if self.by is None:
            return self._finish(states, t, types)
        maps = Maps.of(states, algebras)
        values = self._finish(maps.inner, np.repeat(t, maps.lengths), types)
        return tuple(maps.finished(each) for each in values)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The same without a key."""
        raise AssertionError(self.kind)

    def column_type(self, column: str, types: Mapping[str, Type]) -> Type:
        """The type of a column it reads, scalar or refused."""
        if column not in types:
            raise self.error(
                f"there is no column {column!r} in its source.",
                asked=column,
                available=sorted(types),
                remedy="Name one of the source's columns, or derive it in the source's columns=.",
            )
        if not types[column].is_scalar:
            raise self.error(f"column {column!r} is a {types[column]}, not a scalar.", asked=column)
        return types[column]

    def number(self, column: str, types: Mapping[str, Type]) -> Type:
        """The type of a column it computes with, a number or refused."""
        of = self.column_type(column, types)
        if not of.is_number:
            raise self.error(
                f"{self.kind} needs a number, and column {column!r} is a {of}.",
                asked=column,
                available=sorted(name for name, each in types.items() if each.is_number),
            )
        return of


def written_at() -> str:
    """File and line of the definition being made: the nearest frame outside Headrace."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to find a caller
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        generated = frame.f_code.co_filename.startswith("<") and frame.f_code.co_name == "__init__"
        if not module.startswith("headrace.") and module != "dataclasses" and not generated:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "<unknown>"
