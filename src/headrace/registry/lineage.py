"""What comes from what: source -> view -> feature -> service, as nodes and edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from headrace.definitions.references import Reference
    from headrace.ports.catalog import Key
    from headrace.registry.entry import Content

__all__ = ["Lineage", "Node", "lineage"]


class Node(NamedTuple):
    """A version of a definition, or a feature of one.

    Attributes:
        kind: entity, source, view, feature, on_demand, service, ...
        name: `name@version`, for a feature `view@version:feature`.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """The node in one word, unique among all."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Lineage:
    """A graph; what an edge starts from is needed for what it ends at.

    Attributes:
        nodes: Each after all those it comes from.
        edges: Pairs of (from, to).
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[Node, Node], ...]

    def to_dict(self) -> dict[str, Any]:
        """The graph as JSON values."""
        return {
            "nodes": [{"id": str(node), **node._asdict()} for node in self.nodes],
            "edges": [{"from": str(start), "to": str(end)} for start, end in self.edges],
        }


def lineage(contents: Mapping[Key, Content], start: Iterable[Node]) -> Lineage:
    """All that some nodes come from, and all that comes from them.

    Args:
        contents: The versions to draw, each after those it is pinned to.
        start: The nodes in the middle.
    """
    edges = list(dict.fromkeys(_edges(contents)))
    starting = set(start)
    ups = _reached(starting, [(end, begin) for begin, end in edges])
    downs = _reached(starting, edges)
    kept = [(begin, end) for begin, end in edges if {begin, end} <= ups or {begin, end} <= downs]
    nodes = dict.fromkeys(node for node in _nodes(contents) if node in ups or node in downs)
    return Lineage(tuple(nodes), tuple(kept))


def node_of(key: Key) -> Node:
    """The node of a version."""
    return Node(key.kind, str(key))


def node_of_member(member: Reference) -> Node:
    """The node of a feature that is named by others."""
    return Node("feature" if member.feature else member.kind, str(member))


def _nodes(contents: Mapping[Key, Content]) -> Iterator[Node]:
    for key, content in contents.items():
        yield node_of(key)
        yield from (Node("feature", f"{key}:{each.name}") for each in content.features if not each.itself)


def _edges(contents: Mapping[Key, Content]) -> Iterator[tuple[Node, Node]]:
    for key, content in contents.items():
        here = node_of(key)
        by_feature = {(each.kind, each.name, each.version) for each in content.members}
        yield from ((node_of(pin), here) for pin in content.pins if tuple(pin) not in by_feature)
        yield from ((node_of_member(each), here) for each in content.members)
        yield from (
            (here, Node("feature", f"{key}:{each.name}")) for each in content.features if not each.itself
        )


def _reached(start: set[Node], edges: Iterable[tuple[Node, Node]]) -> set[Node]:
    following: dict[Node, list[Node]] = {}
    for begin, end in edges:
        following.setdefault(begin, []).append(end)
    found: set[Node] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += following.get(node, ())
    return found
