"""A mapping that cannot be changed: what definitions keep of the dicts they are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

__all__ = ["FrozenMapping"]

Value_co = TypeVar("Value_co", covariant=True)


class FrozenMapping(Mapping[str, Value_co], Generic[Value_co]):
    """Names and values, in the order written; equal and hashed whatever that order."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Value_co]) -> None:
        """Copy the items."""
        self._items = dict(items)

    def __getitem__(self, name: str) -> Value_co:
        """The value of a name."""
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        """The names, as written."""
        return iter(self._items)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def __hash__(self) -> int:
        """Equal mappings hash alike."""
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        """As a dict."""
        return repr(self._items)
