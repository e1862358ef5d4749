"""The retrieval plan: the views to read, the functions to run, in order, and the columns that come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.definitions.references import Reference, output_names
from headrace.errors import DefinitionError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.definitions.on_demand import OnDemandFeature
    from headrace.kernel.binding import Binding
    from headrace.schema import Type

__all__ = ["Member", "RetrievalPlan", "ViewRequest", "compile_retrieval"]


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
        inputs: For each function, parameter -> where its value is: (view's place, feature), or (-1,
            function's name).
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

    def __init__(self, views: Mapping[Reference, Binding], functions: Mapping[str, OnDemandFeature]) -> None:
        self._known = views
        self._functions = functions
        self.names: dict[Reference, list[str]] = {}
        self.ordered: dict[str, OnDemandFeature] = {}
        self.inputs: dict[str, dict[str, tuple[int, str]]] = {}

    def feature(self, of: Reference) -> tuple[int, str]:
        """Read a feature of a view; its place."""
        key = of.definition
        if key not in self._known:
            raise UnknownNameError.of("view", str(key), [str(each) for each in self._known])
        wanted = self.names.setdefault(key, [])
        if of.feature not in wanted:
            wanted.append(of.feature)
        return list(self.names).index(key), of.feature

    def function(self, name: str, path: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run an on-demand feature after what it reads; its place."""
        if name in path:
            raise DefinitionError(
                f"On-demand features go round in a circle: {' -> '.join((*path, name))}.", asked=name
            )
        if name not in self._functions:
            raise UnknownNameError.of("on-demand feature", name, self._functions)
        if name not in self.ordered:
            own = self._functions[name]
            read = {}
            for parameter, of in zip(sorted(own.inputs), own.references, strict=True):
                read[parameter] = self.feature(of) if of.feature else self.function(of.name, (*path, name))
            self.inputs[name] = read
            self.ordered[name] = own
        return -1, name


def compile_retrieval(
    members: Sequence[Reference],
    views: Mapping[Reference, Binding],
    functions: Mapping[str, OnDemandFeature],
    *,
    full: bool = False,
    taken: Iterable[str] = (),
) -> RetrievalPlan:
    """The plan of a list of features.

    Args:
        members: What is asked for; views by the references that `views` has, with or without a version.
        views: Every view the members and the functions they need refer to.
        functions: Every on-demand feature by name.
        full: Whether output columns are `view__feature`.
        taken: Columns that exist already: the spine's.

    Raises:
        UnknownNameError: A view, feature or function does not exist.
        DefinitionError: Two outputs, or an output and a key or taken column, share a name; or functions read
            each other in a circle.
    """
    build = _Builder(views, functions)
    places = [build.feature(of) if of.feature else build.function(of.name) for of in members]
    keys: dict[str, Type] = {}
    requests = []
    for reference, names in build.names.items():
        binding = views[reference]
        _known_features(binding, reference, names)
        keys.update(binding.keys)
        requests.append(ViewRequest(binding, tuple(names)))
    request = {name: of for each in build.ordered.values() for name, of in each.request.items()}
    outputs = output_names(members, full=full, keys=[*taken, *keys])
    columns = []
    for output, of, (view, _) in zip(outputs, members, places, strict=True):
        kind = build.ordered[of.name].output if view < 0 else requests[view].binding.feature_types[of.feature]
        columns.append(Member(output, of, view, kind))
    return RetrievalPlan(
        tuple(requests), tuple(build.ordered.values()), tuple(columns), build.inputs, keys, request
    )


def _known_features(binding: Binding, reference: Reference, names: Sequence[str]) -> None:
    for name in names:
        if name not in binding.feature_types:
            raise UnknownNameError.of(f"feature of {reference}", name, binding.feature_types)
