"""What definitions are made of, in the order they have to exist, and the references between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.source import Source
from headrace.definitions.view import View
from headrace.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.definitions.base import Definition
    from headrace.definitions.references import Reference

__all__ = ["KINDS", "check_references", "gather", "in_order"]

KINDS = ("entity", "source", "view", "on_demand", "service", "label")
"""The kinds of definitions, those that others are made of first."""


def gather(definitions: Iterable[Definition]) -> tuple[Definition, ...]:
    """The definitions and all they hold, each once: in the order of `KINDS`, on-demand features by inputs.

    Raises:
        DefinitionError: Two different definitions have one name and version, or on-demand features form a
            cycle.
    """
    found: dict[Reference, Definition] = {}
    seen: dict[int, Definition] = {}

    def add(each: Definition) -> None:
        if id(each) in seen:
            return
        seen[id(each)] = each
        for used in each.uses:
            add(used)
        other = found.setdefault(each.reference, each)
        if not _same(other, each):
            versioned = bool(each.reference.version)
            raise each.error(
                f"another one of this name{' and version' * versioned} is at {other.written}.",
                asked=each.reference,
                remedy=f"Rename one of them{', or give it another version' * versioned}.",
            )

    for definition in definitions:
        add(definition)
    computed = iter(in_order(each for each in found.values() if isinstance(each, OnDemandFeature)))
    ranked = sorted(found.values(), key=lambda each: KINDS.index(each.kind))
    return tuple(next(computed) if isinstance(each, OnDemandFeature) else each for each in ranked)


def _same(one: Definition, other: Definition) -> bool:
    """Whether two definitions say the same; equality leaves batches aside, which may be tables."""
    if one is other:
        return True
    if isinstance(one, Source) and isinstance(other, Source):
        paths = not one.in_memory and not other.in_memory
        return one == other and (one.batch == other.batch if paths else one.batch is other.batch)
    if isinstance(one, OnDemandFeature) and isinstance(other, OnDemandFeature):
        return one == other and one.function is other.function
    return one == other


def in_order(features: Iterable[OnDemandFeature]) -> tuple[OnDemandFeature, ...]:
    """On-demand features, each after those it reads; otherwise in the order given.

    An input without a version waits for every version of that name; inputs that are not among them wait for
    nothing.

    Raises:
        DefinitionError: They form a cycle, which the error names.
    """
    given = list(features)
    named: dict[str, list[OnDemandFeature]] = {}
    for each in given:
        named.setdefault(each.name, []).append(each)
    done: dict[Reference, OnDemandFeature] = {}
    path: list[OnDemandFeature] = []

    def visit(each: OnDemandFeature) -> None:
        if each.reference in done:
            return
        if any(other.reference == each.reference for other in path):
            start = [other.reference for other in path].index(each.reference)
            cycle = " -> ".join(str(other.reference) for other in [*path[start:], each])
            raise each.error(
                f"on-demand features form a cycle: {cycle}.",
                asked=each.reference,
                remedy="Compute one of them from views and the request alone.",
            )
        path.append(each)
        for reference in each.references:
            if reference.kind == "on_demand":
                for other in named.get(reference.name, ()):
                    if reference.version in {"", other.version}:
                        visit(other)
        path.pop()
        done[each.reference] = each

    for each in given:
        visit(each)
    return tuple(done.values())


def check_references(
    definitions: Iterable[Definition], registered: Mapping[Reference, Iterable[str]] | None = None
) -> None:
    """Check that the inputs of on-demand features exist.

    Args:
        definitions: What is defined, `gather`ed.
        registered: What the registry holds beside it: view or on-demand feature, with its version -> its
            feature names.

    Raises:
        UnknownNameError: A view, version, feature or on-demand feature is not there; the text names file and
            line.
        DefinitionError: A function says `cache` and may not.
    """
    given = list(definitions)
    known: dict[Reference, set[str]] = {each: set(names) for each, names in (registered or {}).items()}
    for each in given:
        if isinstance(each, View):
            known[each.reference] = set(each.feature_names)
        elif isinstance(each, OnDemandFeature):
            known[each.reference] = set()
    for each in given:
        if isinstance(each, OnDemandFeature):
            for parameter, reference in zip(sorted(each.inputs), each.references, strict=True):
                try:
                    _find(reference, known)
                except UnknownNameError as error:
                    raise UnknownNameError(
                        f"{each.written}: on-demand {each.name!r}: input {parameter!r}: {error.message}",
                        asked=error.asked,
                        available=error.available,
                        remedy=error.remedy,
                    ) from None
    _check_caches(given)


def _check_caches(given: Iterable[Definition]) -> None:
    """Refuse `cache` on functions that read what is new at each instant, directly or by other functions.

    Raises:
        DefinitionError: One reads a view that aggregates, or a function that takes `request_time`.
    """
    given = list(given)
    windowed = {each.name for each in given if isinstance(each, AggregateView)}
    functions = [each for each in given if isinstance(each, OnDemandFeature)]

    def moving(function: OnDemandFeature) -> str:
        """What it reads that is new at each instant; empty for nothing."""
        if function.takes_request_time:
            return f"{function.name}, which takes request_time"
        for each in function.references:
            if each.feature and each.name in windowed:
                return str(each)
            for other in functions:  # none reads itself, see `in_order`
                read = not each.feature and other.name == each.name and each.version in {"", other.version}
                if read and (found := moving(other)):
                    return found
        return ""

    for function in functions:
        if function.cache is not None and (what := moving(function)):
            raise function.error(
                f"it reads {what}: only what is made of request fields and latest values can be cached.",
                asked=what,
                remedy="Leave out cache.",
            )


def _find(wanted: Reference, known: Mapping[Reference, set[str]]) -> None:
    noun = {"view": "view", "on_demand": "on-demand feature"}[wanted.kind]
    named = {
        each: names for each, names in known.items() if (each.kind, each.name) == (wanted.kind, wanted.name)
    }
    if not named:
        raise UnknownNameError.of(
            noun, wanted.name, (each.name for each in known if each.kind == wanted.kind)
        )
    versions = [each for each in named if wanted.version in {"", each.version}]
    if not versions:
        of = f"version of {noun} {wanted.name!r}"
        raise UnknownNameError.of(of, wanted.version, (each.version for each in named))
    features = {name for each in versions for name in named[each]}
    if wanted.feature and wanted.feature not in features:
        raise UnknownNameError.of(f"feature of view {wanted.name!r}", wanted.feature, features)
