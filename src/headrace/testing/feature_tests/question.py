"""What a feature test asks: its names resolved to a plan over its events."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from headrace.casting import cast_column
from headrace.errors import DefinitionError, UnknownNameError
from headrace.intake.raw_rows import raw_table
from headrace.kernel.binding import Binding
from headrace.resolution import Chosen
from headrace.schema import Schema
from headrace.testing.feature_tests.case import AT
from headrace.testing.feature_tests.labels import asked_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from headrace.definitions.source import Source
    from headrace.offline.training import Labels
    from headrace.resolution import Resolution
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.schema import Type
    from headrace.testing.feature_tests.case import FeatureTest
    from headrace.testing.feature_tests.labels import LabelColumn

__all__ = ["Known", "Question", "question_of"]

AnyBinding = TypeVar("AnyBinding", bound=Binding)


class Question(NamedTuple):
    """A test, its names resolved.

    Attributes:
        plan: Its features, over its events.
        features: Feature as the test calls it -> the place among the plan's members.
        labels: Its labels, over its events.
        columns: The columns of labels, as the test calls them.
        rows: Who asks when, and what is expected; keys and request fields are of their declared types.
        types: The columns of the rows that say who asks.
        events: Source -> its rows as they are written.
    """

    plan: RetrievalPlan
    features: Mapping[str, int]
    labels: Labels
    columns: Mapping[str, LabelColumn]
    rows: Sequence[Mapping[str, Any]]
    types: Mapping[str, Type]
    events: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def fields(self) -> tuple[str, ...]:
        """The join keys and request fields of the features."""
        return (*self.plan.keys, *self.plan.request)

    def type_of(self, name: str) -> Type:
        """The type of a feature, or of a label's column."""
        return (
            self.columns[name].type if name in self.columns else self.plan.members[self.features[name]].type
        )

    def serving(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Who asks for features in a row."""
        return {name: row[name] for name in self.fields}

    def asking(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Who asks in a row, for whatever."""
        return {name: row[name] for name in self.types}


class Known(NamedTuple):
    """What a test may name besides features of views.

    Attributes:
        functions: On-demand features.
        labels: Labels.
        read_schema: Reads the schema of a source that declares none.
    """

    functions: Sequence[str]
    labels: Sequence[str]
    read_schema: Callable[[Source], Schema]


def question_of(test: FeatureTest, names: Resolution, known: Known) -> Question:
    """Resolve the names of a test.

    Args:
        test: The test.
        names: Finds definitions.
        known: What it may name besides.

    Raises:
        UnknownNameError: A feature, column, key or request field does not exist.
        DefinitionError: A key or request field is not given.
        DataError: One is given as no value of its type.
    """
    rows = test.asked()
    called = _called(test, names)
    asked = {
        name: called.get(name, name)
        for row in rows
        for name in row
        if name in called or ":" in name or name in known.functions
    }
    wanted = [name for name in known.labels if name not in asked and any(name in row for row in rows)]
    if not asked and not wanted:
        first = next((name for name in rows[0] if name != AT), "")
        raise UnknownNameError.of("feature or label", first, [*called, *known.functions, *known.labels])
    chosen = names.choose(list(asked.values()), None) if asked else Chosen((), None)
    members = tuple(dict.fromkeys(chosen.members))
    plan = names.retrieval(chosen._replace(members=members), full=True)
    labels, columns = asked_labels(test, wanted, names, known.read_schema, lambda side: _over(side, test))
    given = {name for row in rows for name in row}
    touches = {name: of for name, of in labels.touch_ids.items() if name in given}
    types = {**labels.keys, **touches, **plan.keys, **plan.request}
    _check_names(types, plan.request, rows, [*asked, *called, *columns])
    views = [dataclasses.replace(each, binding=_over(each.binding, test)) for each in plan.views]
    places = [members.index(each) for each in chosen.members]
    return Question(
        dataclasses.replace(plan, views=tuple(views)),
        dict(zip(asked, places, strict=True)),
        labels,
        columns,
        _typed(rows, Schema(types)),
        types,
        test.events,
    )


def _called(test: FeatureTest, names: Resolution) -> dict[str, str]:
    """What features may be called without their view, and which they are."""
    if test.view:
        name, _, version = test.view.partition("@")
        binding = names.view(name, version)
        return {each: f"{binding.id}:{each}" for each in binding.feature_types}
    if test.service:
        plan = names.retrieval(names.choose(None, test.service))
        return {each.output: str(each.reference) for each in plan.members}
    return {}


def _over(binding: AnyBinding, test: FeatureTest) -> AnyBinding:
    """The view, or the side of a label, over the test's events."""
    source = binding.source
    rows = test.events.get(source.name, ())
    for name in (name for row in rows for name in row):
        if name not in binding.schema:
            raise UnknownNameError.of(f"column of source {source.name!r}", name, binding.schema)
    table = raw_table(list(rows), binding.schema, f"events of {source.name!r}")
    # what the real data is complete until says nothing of these events
    changes: dict[str, Any] = {"complete_until": None} if hasattr(source, "complete_until") else {}
    return dataclasses.replace(binding, source=dataclasses.replace(source, batch=table, **changes))


def _check_names(
    needed: Iterable[str], request: Container[str], rows: Sequence[Mapping[str, Any]], asked: Iterable[str]
) -> None:
    """Every name in a row is asked for, a key or a request field, and every row has the latter two."""
    known = {*asked, *needed, AT}
    for row in rows:
        for name in row:
            if name not in known:
                raise UnknownNameError.of("feature, label, join key or request field", name, known - {AT})
        for name in needed:
            if name not in row:
                raise DefinitionError(
                    f"It is not said for which {name!r} the features are asked for.",
                    asked=name,
                    available=difflib.get_close_matches(name, [each for each in row if each != AT], n=3),
                    remedy=f"Give {'context' if name in request else 'entity'}: {{{name}: ...}}.",
                )


def _typed(rows: Sequence[Mapping[str, Any]], types: Schema) -> list[Mapping[str, Any]]:
    """The rows, their keys and request fields as values of the declared types."""
    table = raw_table([{name: row[name] for name in types} for row in rows], types, "rows asked for")
    columns = {
        name: cast_column(table[name], of, f"The column {name!r}").to_pylist() for name, of in types.items()
    }
    return [{**row, **{name: columns[name][number] for name in types}} for number, row in enumerate(rows)]
