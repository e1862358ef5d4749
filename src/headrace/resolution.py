"""Resolution: names become plans, of what the registry knows and what only the project's code can give."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from headrace.definitions.canonical import document, freeze
from headrace.definitions.label import Label
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.own import OwnDefinitions
from headrace.definitions.references import Reference, parse_reference
from headrace.definitions.service import FeatureService
from headrace.definitions.source import Source
from headrace.definitions.view import View
from headrace.errors import DataError, UnknownNameError
from headrace.online.earlier import Earlier
from headrace.online.layout import EPOCH
from headrace.online.source import SourceStream
from headrace.online.states import states_of
from headrace.retrieval.bind import bind
from headrace.retrieval.bind_label import bind_label
from headrace.retrieval.plan import Function, RetrievalPlan, compile_retrieval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from headrace.definitions.base import Definition
    from headrace.definitions.rules import Rule
    from headrace.kernel.binding import Binding
    from headrace.kernel.label_binding import LabelBinding
    from headrace.online.ingest import Ingest
    from headrace.registry.registry import Registry
    from headrace.schema import Schema, Type

__all__ = ["Chosen", "Resolution"]


class Chosen(NamedTuple):
    """What is asked for.

    Attributes:
        members: The features, resolved to versions, in order.
        service: The service that names them, `name@version`; None where they were listed.
    """

    members: tuple[Reference, ...]
    service: str | None


class Resolution:
    """Finds and binds what names stand for at one state of the registry; keeps what it made.

    Attributes:
        counter: The registry's counter at that state.
    """

    def __init__(
        self,
        registry: Registry,
        counter: int,
        zone: str,
        definitions: Callable[[], Sequence[Definition]],
    ) -> None:
        """Over a registry.

        Args:
            registry: What is defined.
            counter: Its counter.
            zone: The project's time zone.
            definitions: The project's own definitions: asked only for tables in memory and functions.
        """
        self.counter = counter
        self._registry = registry
        self._zone = zone
        self._own = OwnDefinitions(definitions)
        self._bindings: dict[Reference, Binding] = {}
        self._streams: dict[str, SourceStream] = {}
        self._earlier: dict[tuple[str, str], Earlier | None] = {}

    def frozen_schemas(self) -> dict[str, Schema]:
        """The schemas frozen by earlier applies, by source."""
        found = {}
        for entry in self._registry.list("source"):
            source = self._registry.definition("source", entry.name)
            if isinstance(source, Source) and source.schema is not None:
                found[source.name] = source.schema
        return found

    def choose(
        self, features: Sequence[str] | FeatureService | None, service: str | FeatureService | None
    ) -> Chosen:
        """The features asked for, by list or by service.

        Raises:
            DataError: Neither or both are given, or the list is empty.
            UnknownNameError: One does not exist.
            DefinitionError: A text is no reference.
        """
        if isinstance(features, FeatureService):
            features, service = None, features
        if isinstance(service, FeatureService):
            service = f"{service.name}@{service.version}"
        if (features is None) == (service is None):
            both = "Features and a service are both given: ask" if features is not None else "Ask"
            raise DataError(
                f"{both} for features or for a service.",
                remedy='Give features=["view:feature"] or service="name@1" (over HTTP feature_service).',
            )
        if service is not None:
            asked = parse_reference(service, "service")
            entry = self._registry.get("service", asked.name, asked.version or None)
            return Chosen(
                tuple(parse_reference(each) for each in entry.members), f"{entry.name}@{entry.version}"
            )
        if isinstance(features, str):
            features = [features]
        if not features:
            raise DataError("No feature is asked for.", remedy='Give features=["view:feature"].')
        return Chosen(tuple(self._pinned(parse_reference(each)) for each in features or ()), None)

    def _pinned(self, of: Reference) -> Reference:
        """The reference with the version it stands for now."""
        if not of.feature and of.name not in self._names("on_demand"):
            # Whoever writes a bare name means a view or one of its features as often as a function.
            raise UnknownNameError.of("feature", str(of), self._features())
        entry = self._registry.get(of.kind, of.name, of.version or None)
        return Reference(of.kind, of.name, entry.version, of.feature)

    def _names(self, kind: str) -> set[str]:
        return {entry.name for entry in self._registry.list(kind, versions=True)}

    def _features(self) -> list[str]:
        """What may be asked for, as people write it."""
        return [
            each.name if each.feature.itself else f"{each.entry.name}:{each.name}"
            for each in self._registry.features()
        ]

    def retrieval(self, chosen: Chosen, *, full: bool = False, taken: Iterable[str] = ()) -> RetrievalPlan:
        """The plan for what is asked for.

        What a function reads stays the version that it was applied with, whatever is active now.

        Raises:
            UnknownNameError: A feature does not exist.
            DefinitionError: Two outputs share a name, or functions read each other in a circle.
            StoreError: The code of an on-demand feature is not the code that was applied.
        """
        functions: dict[Reference, Function] = {}
        views: dict[Reference, Binding] = {}
        waiting = list(chosen.members)
        while waiting:
            of = waiting.pop()
            if of.feature:
                views[of.definition] = self.view(of.name, of.version)
            elif of not in functions:
                functions[of] = self._function(of)
                waiting += functions[of].inputs.values()
        return compile_retrieval(chosen.members, views, functions, full=full, taken=taken)

    def view(self, name: str, version: str = "") -> Binding:
        """A view, bound; the active version without one.

        Raises:
            UnknownNameError: There is none.
        """
        key = Reference("view", name, version)
        if key not in self._bindings:
            self._bindings[key] = self._bound(self._registry.definition("view", name, version or None))
        return self._bindings[key]

    def _bound(self, definition: Definition) -> Binding:
        assert isinstance(definition, View)  # noqa: S101 - the registry keeps kinds apart
        source = self._own.source(definition.source)
        if source is not definition.source:
            definition = dataclasses.replace(definition, source=source)
        schema = definition.source.schema
        assert schema is not None  # noqa: S101 - applying froze it
        return bind(definition, schema, self._zone)

    def label(self, name: str) -> Label:
        """A label of the registry, or else of the project's definitions.

        Args:
            name: `name` or `name@version`; the active version without one.

        Raises:
            UnknownNameError: There is none.
            DefinitionError: The text is no reference.
        """
        asked = parse_reference(name, "label")
        if asked.name in self._names("label"):
            registered = self._registry.definition("label", asked.name, asked.version or None)
            assert isinstance(registered, Label)  # noqa: S101 - the registry keeps kinds apart
            return registered
        return self._own.label(asked)

    def bound_label(self, label: Label, read_schema: Callable[[Source], Schema]) -> tuple[LabelBinding, str]:
        """A label, bound, and its semantic fingerprint; it need not be registered.

        Args:
            label: The label.
            read_schema: Reads the schema of a source that declares none and was never applied.

        Raises:
            DefinitionError: It does not fit its sources.
            DataError: The data of a source without a schema cannot be read.
        """
        bare = [each for each in label.uses if isinstance(each, Source) and each.schema is None]
        frozen = self.frozen_schemas() if bare else {}
        settled = freeze(label, {each.name: frozen.get(each.name) or read_schema(each) for each in bare})
        assert isinstance(settled, Label)  # noqa: S101 - freezing keeps kinds
        touches = settled.touches and self._own.source(settled.touches)
        whole = dataclasses.replace(settled, source=self._own.source(settled.source), touches=touches)
        return bind_label(whole, self._zone), document(settled).semantic

    def earlier(self, binding: Binding, fingerprint: str) -> Earlier | None:
        """The newest revision of a view's version whose states have a fingerprint; None if none has.

        Features come and go under one version; records that were made before hold what they were made by.
        """
        key = binding.id, fingerprint
        if key not in self._earlier:
            self._earlier[key] = self._revision(binding, fingerprint)
        return self._earlier[key]

    def _revision(self, binding: Binding, fingerprint: str) -> Earlier | None:
        present = self._registry.get("view", binding.name, binding.version).content
        means = {each.name: each.semantic for each in present.features}
        for revision in reversed(self._registry.history("view", binding.name)):
            if revision.version != binding.version or revision.content.core != present.core:
                continue
            found = self._bound(self._registry.definition_at(revision))
            if states_of(found).fingerprint == fingerprint:
                own = revision.content.features
                return Earlier(found, frozenset(f.name for f in own if means.get(f.name) == f.semantic))
        return None

    def _function(self, of: Reference) -> Function:
        """An on-demand feature with what it was applied with: its inputs' versions and its code."""
        entry = self._registry.get("on_demand", of.name, of.version or None)
        applied = self._registry.definition("on_demand", of.name, of.version or None)
        assert isinstance(applied, OnDemandFeature)  # noqa: S101 - the registry keeps kinds apart
        inputs = dict(zip(sorted(applied.inputs), entry.content.members, strict=True))
        return Function(self._own.function(applied), inputs)

    def live(self, names: Sequence[str] | None = None) -> list[Binding]:
        """The view versions to load and ingest; those of some names, where given.

        Raises:
            UnknownNameError: There is no live view of a name.
        """
        keys = [entry.key for entry in self._registry.list_live_views() if entry.key.kind == "view"]
        if names is None:
            return [self.view(key.name, key.version) for key in keys]
        chosen = []
        for name in [names] if isinstance(names, str) else names:
            asked = parse_reference(name, "view")
            mine = [k for k in keys if k.name == asked.name and asked.version in {"", k.version}]
            if not mine:
                raise UnknownNameError.of("view", name, [key.name for key in keys])
            chosen += mine
        return [self.view(key.name, key.version) for key in dict.fromkeys(chosen)]

    def ruled(self, name: str) -> tuple[str, tuple[Rule, ...], Type]:
        """A feature's name, its rules and the type of its values.

        Raises:
            UnknownNameError: There is no such feature.
            DefinitionError: The text is no reference.
        """
        (of,) = self.choose([name], None).members
        if not of.feature:
            function = self._function(of).definition
            return of.name, function.rules, function.output
        binding = self.view(of.name, of.version)
        if of.feature not in binding.feature_types:
            raise UnknownNameError.of(f"feature of {of.definition}", of.feature, binding.feature_types)
        return of.feature, binding.rules.get(of.feature, ()), binding.feature_types[of.feature]

    def source_names(self) -> list[str]:
        """The names of all sources."""
        return [entry.name for entry in self._registry.list("source")]

    def of_source(self, name: str) -> tuple[Source, list[Binding]]:
        """A source and its live views.

        Raises:
            UnknownNameError: There is no such source.
        """
        source = self._registry.definition("source", name)
        assert isinstance(source, Source)  # noqa: S101 - the registry keeps kinds apart
        source = self._own.source(source)
        return source, [each for each in self.live() if each.source.name == name]

    def stream(self, name: str) -> SourceStream:
        """A source's stream; the same object each time.

        Raises:
            UnknownNameError: There is no such source.
            DataError: It has no stream.
        """
        if name not in self._streams:
            source, views = self.of_source(name)
            self._streams[name] = SourceStream(source, views, EPOCH, self.earlier, self._zone)
        return self._streams[name]

    def ingest(self, name: str) -> Ingest | None:
        """The ingestion of a source; None where it has no stream."""
        source, _ = self.of_source(name)
        return self.stream(name).ingest if source.has_stream else None

    def fingerprints(self, members: Iterable[Reference]) -> dict[Reference, str]:
        """The semantic fingerprint of the definition of each member."""
        found = {}
        for each in members:
            entry = self._registry.get(each.kind, each.name, each.version or None)
            found[each] = entry.content.semantic
        return found
