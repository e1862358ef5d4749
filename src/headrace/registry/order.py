"""The order in which definitions can be taken: each after all that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

__all__ = ["dependency_order"]

Node = TypeVar("Node", bound="Hashable")


def dependency_order(names: Mapping[Node, Iterable[Node]], shown: Callable[[Node], str] = str) -> list[Node]:
    """The nodes, each after those it names; otherwise in the order given.

    Args:
        names: For each node those it names. Names without an entry of their own are left out.
        shown: What a node is called in the error.

    Raises:
        DefinitionError: They go round in a circle, which the text spells out.
    """
    done: dict[Node, None] = {}
    for start in names:
        path: dict[Node, None] = {}
        waiting = [(start, iter(names[start]))]
        path[start] = None
        while waiting:  # by hand, because a long chain must not meet Python's recursion limit
            node, rest = waiting[-1]
            following = next((each for each in rest if each in names and each not in done), None)
            if following is None:
                done[node] = None
                waiting.pop()
                del path[node]
            elif following in path:
                circle = [*path][[*path].index(following) :]
                raise _circle([shown(each) for each in circle])
            else:
                path[following] = None
                waiting.append((following, iter(names[following])))
    return list(done)


def _circle(nodes: list[str]) -> DefinitionError:
    way = " -> ".join([*nodes, nodes[0]])
    return DefinitionError(
        f"Definitions depend on each other in a circle: {way}.",
        asked=way,
        remedy="Take one of these arrows away.",
    )
