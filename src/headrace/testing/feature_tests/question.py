"""What a feature test asks: its names resolved to a plan over its events."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.casting import cast_column
from headrace.errors import DefinitionError, UnknownNameError
from headrace.intake.raw_rows import raw_table
from headrace.schema import Schema
from headrace.testing.feature_tests.case import AT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.kernel.binding import Binding
    from headrace.resolution import Resolution
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.testing.feature_tests.case import FeatureTest

__all__ = ["Question", "question_of"]


class Question(NamedTuple):
    """A test, its names resolved.

    Attributes:
        plan: Its features, over its events.
        features: Feature as the test calls it -> the place among the plan's members.
        rows: Who asks when, and what is expected; keys and request fields are of their declared types.
        events: Source -> its rows as they are written.
    """

    plan: RetrievalPlan
    features: Mapping[str, int]
    rows: Sequence[Mapping[str, Any]]
    events: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def fields(self) -> tuple[str, ...]:
        """The join keys and request fields."""
        return (*self.plan.keys, *self.plan.request)

    def asking(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Who asks in a row: the keys and request fields."""
        return {name: row[name] for name in self.fields}


def question_of(test: FeatureTest, names: Resolution, functions: Iterable[str]) -> Question:
    """Resolve the names of a test.

    Args:
        test: The test.
        names: Finds definitions.
        functions: The names of on-demand features.

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
        if name in called or ":" in name or name in functions
    }
    if not asked:
        first = next((name for name in rows[0] if name != AT), "")
        raise UnknownNameError.of("feature", first, [*called, *functions])
    chosen = names.choose(list(asked.values()), None)
    members = tuple(dict.fromkeys(chosen.members))
    plan = names.retrieval(chosen._replace(members=members), full=True)
    _check_names(plan, rows, [*asked, *called])
    views = [dataclasses.replace(each, binding=_with_events(each.binding, test)) for each in plan.views]
    places = [members.index(each) for each in chosen.members]
    return Question(
        dataclasses.replace(plan, views=tuple(views)),
        dict(zip(asked, places, strict=True)),
        _typed(rows, Schema({**plan.keys, **plan.request})),
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


def _with_events(binding: Binding, test: FeatureTest) -> Binding:
    """The view over the test's events."""
    source = binding.source
    rows = test.events.get(source.name, ())
    for name in (name for row in rows for name in row):
        if name not in binding.schema:
            raise UnknownNameError.of(f"column of source {source.name!r}", name, binding.schema)
    table = raw_table(list(rows), binding.schema, f"events of {source.name!r}")
    # what the real data is complete until says nothing of these events
    changes: dict[str, Any] = {"complete_until": None} if hasattr(source, "complete_until") else {}
    return dataclasses.replace(binding, source=dataclasses.replace(source, batch=table, **changes))


def _check_names(plan: RetrievalPlan, rows: Sequence[Mapping[str, Any]], features: Sequence[str]) -> None:
    """Every name in a row is a feature, a key or a request field, and every row has the latter two."""
    needed = [*plan.keys, *plan.request]
    known = {*features, *needed, AT}
    for row in rows:
        for name in row:
            if name not in known:
                raise UnknownNameError.of("feature, join key or request field", name, known - {AT})
        for name in needed:
            if name not in row:
                raise DefinitionError(
                    f"It is not said for which {name!r} the features are asked for.",
                    asked=name,
                    available=difflib.get_close_matches(name, [each for each in row if each != AT], n=3),
                    remedy=f"Give {'entity' if name in plan.keys else 'context'}: {{{name}: ...}}.",
                )


def _typed(rows: Sequence[Mapping[str, Any]], types: Schema) -> list[Mapping[str, Any]]:
    """The rows, their keys and request fields as values of the declared types."""
    table = raw_table([{name: row[name] for name in types} for row in rows], types, "rows asked for")
    columns = {
        name: cast_column(table[name], of, f"The column {name!r}").to_pylist() for name, of in types.items()
    }
    return [{**row, **{name: columns[name][number] for name in types}} for number, row in enumerate(rows)]
