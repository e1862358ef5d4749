"""A project's own definitions: they give what no registry keeps, tables in memory and functions."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, TypeVar

from headrace.definitions.label import Label
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.source import InMemory, Source
from headrace.errors import DefinitionError, StoreError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headrace.definitions.base import Definition
    from headrace.definitions.references import Reference

__all__ = ["OwnDefinitions"]

AnySource = TypeVar("AnySource", bound=Source)


class OwnDefinitions:
    """What the code of a project defines, looked at only where something is asked of it."""

    def __init__(self, definitions: Callable[[], Sequence[Definition]]) -> None:
        """Of a project.

        Args:
            definitions: Gives the definitions.
        """
        self._definitions = definitions

    def label(self, asked: Reference) -> Label:
        """A label that need not be registered.

        Args:
            asked: Its name, and its version or any.

        Raises:
            UnknownNameError: There is none.
        """
        written = [each for each in self._definitions() if isinstance(each, Label)]
        for each in written:
            if each.name == asked.name and asked.version in {"", each.version}:
                return each
        raise UnknownNameError.of("label", str(asked), [each.name for each in written])

    def source(self, source: AnySource) -> AnySource:
        """The source with what the registry does not keep: its table in memory, its rules' functions."""
        if isinstance(source.batch, InMemory):
            for known in self._sources():
                if known.name == source.name:
                    source = dataclasses.replace(source, batch=known.batch)
                    break
        if not any("function" in rule.arguments for rule in source.rules):
            return source
        with contextlib.suppress(DefinitionError):  # who reads needs no rules; who does is told then
            code = {
                (rule.arguments["name"], rule.arguments["function"]): rule
                for known in self._sources()
                for rule in known.rules
                if rule.function is not None
            }
            own = [(rule.arguments.get("name"), rule.arguments.get("function")) for rule in source.rules]
            rules = tuple(code.get(key, rule) for key, rule in zip(own, source.rules, strict=True))
            return dataclasses.replace(source, rules=rules)
        return source

    def _sources(self) -> Iterator[Source]:
        for each in self._definitions():
            yield from (known for known in (each, *each.uses) if isinstance(known, Source))

    def function(self, applied: OnDemandFeature) -> OnDemandFeature:
        """An on-demand feature with its function; the feature itself where the project has none of it.

        Raises:
            StoreError: The function is not the one that was applied.
        """
        for each in self._definitions():
            if isinstance(each, OnDemandFeature) and each.reference == applied.reference:
                # What a function calls lies in its file too, and may be what has changed.
                if (each.source_hash, each.module_hash) != (applied.source_hash, applied.module_hash):
                    what = "file" if each.source_hash == applied.source_hash else "body"
                    raise StoreError(
                        f"The {what} of on-demand feature {each.name!r} has changed: it is not the code that "
                        "was applied.",
                        asked=each.name,
                        remedy="Bump its version if its values change, then run: headrace apply; or go back "
                        f"to the code as it was ({each.written}).",
                    )
                return each
        return applied
