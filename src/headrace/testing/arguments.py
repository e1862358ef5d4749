"""Example arguments for every kind of aggregation, found by the names of its fields.

A new kind is drawn, held to the laws and compared with the oracle as soon as it is in the catalogue: its
`column` is tried with every type of column, its other fields take the values below.
"""

from __future__ import annotations

import dataclasses
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headrace.agg import CATALOGUE
from headrace.aggregations.base import Aggregation
from headrace.aggregations.count import Count
from headrace.errors import DefinitionError
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.schema import Type

__all__ = ["ARGUMENTS", "Example", "examples_of", "takes_key"]

ARGUMENTS: Mapping[str, tuple[Any, ...]] = {
    "k": (1, 3, 20),
    "timestamps": (False, True),
    "gap": ("2s", "3m", "1d"),
    "half_life": ("1s", "30m", "14d"),
    "max_keys": (1, 3),
    "q": (0.0, 0.5, 0.9, 1.0),
    "accuracy": (0.01, 0.001, 0.25),
    "edges": ((0.0,), (-1.0, 0.1, 0.5, 2.0, 1e9), (-1e300, -3.75, 0.0, 9223372036854775807.0)),
    "prior": (None, (1, 50), (0.0, 2.5)),
}
"""Field -> values worth trying. `COLUMNS` take columns; `COUNTS` take counts."""

COLUMNS = ("column", "other", "by")

EVERY_KIND = {"by", "max_keys"}
"""What is tried of the fields that all kinds share."""

COUNTS = ("numerator", "denominator")


@dataclasses.dataclass(frozen=True)
class Example:
    """An aggregation but for its name, windows and filter.

    Attributes:
        kind: Its name in the catalogue.
        arguments: Its own fields.
    """

    kind: str
    arguments: Mapping[str, Any] = dataclasses.field(hash=False)

    def make(
        self, name: str, windows: Any, where: str | None = None, **options: Any
    ) -> tuple[Aggregation, ...]:
        """The aggregation, after the counts it refers to.

        Args:
            name: Its name; the counts' names start with it.
            windows: Its windows, if its kind has any.
            where: Its filter; where its kind has none of its own, the first count's.
            options: Metadata, `suffix` and the like.
        """
        made = CATALOGUE[self.kind]
        arguments = dict(self.arguments)
        referred = {field: f"{name}_{field}" for field in COUNTS if field in arguments}
        counts = [Count(each, windows=windows, where=where) for each in list(referred.values())[:1]]
        counts += [Count(each, windows=windows) for each in list(referred.values())[1:]]
        if made.windowed:
            arguments["windows"] = windows
        if not referred:
            arguments["where"] = where
        return (*counts, made(name, **{**arguments, **referred}, **options))

    @property
    def keyed(self) -> bool:
        """Whether it is a map."""
        return "by" in self.arguments

    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(self.arguments[field] for field in COLUMNS if self.arguments.get(field))


def examples_of(kind: str, types: Mapping[str, Type]) -> list[Example]:
    """Examples of a kind over some columns: every type it takes, every combination of the arguments above.

    Args:
        kind: A name in the catalogue.
        types: The columns there are.

    Raises:
        AssertionError: The kind has a field without a default that `ARGUMENTS` does not know.
    """
    found = []
    for arguments in _combinations(kind, types):
        example = Example(kind, arguments)
        try:
            made = example.make("example", "all")
            made[-1].outputs(types)
            measures = made[-1].measures(types, {each.name: each for each in made})
        except DefinitionError:
            continue  # a column of a type that it does not take
        if "max_keys" in arguments and not any(hasattr(each.algebra, "max_keys") for each in measures):
            continue  # the limit means nothing without keys
        found.append(example)
    return found


@lru_cache
def takes_key(kind: str) -> bool:
    """Whether there is a map of the kind."""
    return any(each.keyed for each in examples_of(kind, Schema({"x": "int64"})))


def _combinations(kind: str, types: Mapping[str, Type]) -> Iterator[dict[str, Any]]:
    own = {field.name for field in dataclasses.fields(CATALOGUE[kind])}
    own -= {field.name for field in dataclasses.fields(Aggregation)} - EVERY_KIND
    choices: dict[str, tuple[Any, ...]] = {}
    for field in dataclasses.fields(CATALOGUE[kind]):
        if field.name in own:
            choices[field.name] = _choices(kind, field, types)
    for values in itertools.product(*choices.values()):
        arguments = dict(zip(choices, values, strict=True))
        idle = {name for name in EVERY_KIND if arguments[name] is None}
        yield {name: value for name, value in arguments.items() if name not in idle}


def _choices(kind: str, field: dataclasses.Field[Any], types: Mapping[str, Type]) -> tuple[Any, ...]:
    if field.name in {"column", "other"}:
        return tuple(types)
    if field.name == "by":
        return (None, *types)
    if field.name in COUNTS:
        return (field.name,)
    if field.name == "max_keys":
        return (None, *ARGUMENTS["max_keys"])
    if field.name in ARGUMENTS:
        return ARGUMENTS[field.name]
    assert field.default is not dataclasses.MISSING, (
        f"give ARGUMENTS values for {kind}'s field {field.name!r}"
    )
    return (field.default,)
