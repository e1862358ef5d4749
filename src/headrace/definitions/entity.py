"""Entities: what features are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.definitions.base import Definition
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.schema import Type

__all__ = ["KEY_TYPES", "Entity"]

KEY_TYPES = ("string", "int64", "bool", "binary")
"""What a join key may be: values with one spelling each."""


@dataclass(frozen=True)
class Entity(Definition):
    """What features are about: a user, an ad, a (user, ad) pair; without join keys, the world as a whole.

    Attributes:
        join_keys: The columns that tell one from another, and their types, in the order of composite keys.
            Given as a mapping, or as a list of string columns; None for one global row.
    """

    join_keys: Schema

    kind: ClassVar[str] = "entity"
    form: ClassVar[str] = "entity"

    if TYPE_CHECKING:

        def __init__(  # what may be written; the fields say what is kept
            self,
            name: str,
            join_keys: Mapping[str, str | Type] | Sequence[str] | None,
            *,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check the keys."""
        super().__post_init__()
        given: Any = self.join_keys
        if given is not None and not given and not isinstance(given, Schema):
            raise self.error(
                "join_keys is empty.",
                asked=given,
                remedy="Name the key columns, or give join_keys=None for one global row.",
            )
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            names = self.sequence("join_keys", "a mapping or a list of columns")
            if len(set(names)) < len(names):
                raise self.error("a join key is given twice.", asked=given, remedy="Leave one out.")
            given = dict.fromkeys(names, "string")
        for name in given:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
                raise self.error(
                    f"{name!r} cannot be a join key.",
                    asked=name,
                    remedy="Use letters, digits and _, without __ in front.",
                )
        with self.located("join_keys"):
            keys = Schema(given)
        for name, of in keys.items():
            if of.name not in KEY_TYPES:
                raise self.error(
                    f"the join key {name!r} is of type {of}, which cannot be a key.",
                    asked=of,
                    available=KEY_TYPES,
                    remedy="Cast it to one of these.",
                )
        self._set(join_keys=keys)
