"""The retrieval plan: the views to read, the functions to run, in order, and the columns that come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from headrace.definitions.references import Reference, output_names
from headrace.errors import DefinitionError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.definitions.on_demand import OnDemandFeature
    from headrace.kernel.binding import Binding
    from headrace.schema import Type

__all__ = ["Function", "Member", "RetrievalPlan", "ViewRequest", "compile_retrieval"]


class Function(NamedTuple):
    """An on-demand feature, and what it reads.

    Attributes:
        definition: The feature, with its function.
        inputs: Parameter -> what it receives, resolved to a version when the feature was applied.
    """

    definition: OnDemandFeature
    inputs: Mapping[str, Reference]


@dataclass(frozen=True, eq=False)
class ViewRequest:
    """One view to read.

    Attributes:
        binding: The view.
        names: The features wanted of it, each once.
    """

    binding: Binding
    names: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """One output column.

    Attributes:
        output: Its name.
        reference: What it is: a feature of a view, or an on-demand feature.
        view: The place of its view among the plan's; -1 for an on-demand feature.
        type: The type of its values.
    """

    output: str
    reference: Reference
    view: int
    type: Type


@dataclass(frozen=True, eq=False)
class RetrievalPlan:
    """What to do for a list of features; made once, used for every request.

    Attributes:
        views: The views to read.
        functions: The on-demand features to run, each after those it reads.
        members: The output columns, in the order asked.
        inputs: For each function, `name@version`: parameter -> where its value is: (view's place, feature),
            or (-1, function).
        keys: The join keys a request needs, and their types.
        request: The request fields it needs, and their types.
    """

    views: tuple[ViewRequest, ...]
    functions: tuple[OnDemandFeature, ...]
    members: tuple[Member, ...]
    inputs: Mapping[str, Mapping[str, tuple[int, str]]]
    keys: Mapping[str, Type]
    request: Mapping[str, Type]


class _Builder:
    """Collects what a plan needs while its members and their inputs are followed."""

    def __init__(self, views: Mapping[Reference, Binding], functions: Mapping[Reference, Function]) -> None:
        self._known = views
        self._functions = functions
        self.names: dict[Reference, list[str]] = {}
        self.ordered: dict[str, OnDemandFeature] = {}
        self.inputs: dict[str, dict[str, tuple[int, str]]] = {}

    def place(self, of: Reference, path: tuple[str, ...] = ()) -> tuple[int, str]:
        """Where the value of a feature will be, which is read or run."""
        return self._feature(of) if of.feature else self._function(of, path)

    def _feature(self, of: Reference) -> tuple[int, str]:
        key = of.definition
        if key not in self._known:
            raise UnknownNameError.of("view", str(key), [str(each) for each in self._known])
        wanted = self.names.setdefault(key, [])
        if of.feature not in wanted:
            wanted.append(of.feature)
        return list(self.names).index(key), of.feature

    def _function(self, of: Reference, path: tuple[str, ...]) -> tuple[int, str]:
        name = str(of)
        if name in path:
            raise DefinitionError(
                f"On-demand features go round in a circle: {' -> '.join((*path, name))}.", asked=name
            )
        if of not in self._functions:
            raise UnknownNameError.of("on-demand feature", name, map(str, self._functions))
        if name not in self.ordered:
            own = self._functions[of]
            self.inputs[name] = {each: self.place(read, (*path, name)) for each, read in own.inputs.items()}
            self.ordered[name] = own.definition
        return -1, name


def compile_retrieval(
    members: Sequence[Reference],
    views: Mapping[Reference, Binding],
    functions: Mapping[Reference, Function],
    *,
    full: bool = False,
    taken: Iterable[str] = (),
) -> RetrievalPlan:
    """The plan of a list of features.

    Args:
        members: What is asked for, resolved to versions.
        views: Every view the members and the functions they need refer to; versions of one name are apart.
        functions: Every on-demand feature they need, likewise.
        full: Whether output columns are `view__feature`.
        taken: Columns that exist already: the spine's.

    Raises:
        UnknownNameError: A view, feature or function does not exist.
        DefinitionError: Two outputs, or an output and a key or taken column, share a name; a join key or
            request field has two types; or functions read each other in a circle.
    """
    build = _Builder(views, functions)
    places = [build.place(of) for of in members]
    keys: dict[str, Type] = {}
    requests = []
    for reference, names in build.names.items():
        binding = views[reference]
        _known_features(binding, reference, names)
        _one_type(keys, binding.keys, "join key")
        requests.append(ViewRequest(binding, tuple(names)))
    given = dict(keys)
    for function in build.ordered.values():
        _one_type(given, function.request, "request field")
    request = {name: given[name] for each in build.ordered.values() for name in each.request}
    outputs = output_names(members, full=full, keys=[*taken, *keys])
    columns = []
    for output, of, (view, place) in zip(outputs, members, places, strict=True):
        kind = build.ordered[place].output if view < 0 else requests[view].binding.feature_types[of.feature]
        columns.append(Member(output, of, view, kind))
    return RetrievalPlan(
        tuple(requests), tuple(build.ordered.values()), tuple(columns), build.inputs, keys, request
    )


def _one_type(known: dict[str, Type], more: Mapping[str, Type], what: str) -> None:
    """Add columns or fields that a request gives, once for all who read it: of one type."""
    for name, of in more.items():
        if known.setdefault(name, of) != of:
            raise DefinitionError(
                f"The {what} {name!r} is {known[name]} to one feature and {of} to another.",
                asked=name,
                available=[str(known[name]), str(of)],
                remedy="Ask for them apart, or declare one type.",
            )


def _known_features(binding: Binding, reference: Reference, names: Sequence[str]) -> None:
    for name in names:
        if name not in binding.feature_types:
            raise UnknownNameError.of(f"feature of {reference}", name, binding.feature_types)
