"""Value rules at a load: the values of a sample of entities at K, judged by the rules of their features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.online.layout import segment_prefix
from headrace.online.manifest import read_manifest
from headrace.online.states import states_of
from headrace.retrieval.enforcing import judges_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.kernel.binding import Binding
    from headrace.ports.key_value import OneHost

__all__ = ["SAMPLED", "Sample"]

SAMPLED = 1_000
"""How many entities are judged at most."""


class Sample:
    """Some of the entities that a load writes, and what rules their values break.

    Loads write bucket after bucket of entities, by hash: of the first ones some, evenly spread, stand for
    all.
    """

    def __init__(self, binding: Binding) -> None:
        """Nobody yet.

        Args:
            binding: The view; without rules on its features nobody is taken.
        """
        self._binding = binding
        self._judges = judges_of(binding, list(binding.rules), enforced=False)
        self._keys: list[bytes] = []

    def take(self, keys: Sequence[bytes]) -> None:
        """Take some of the entities of a part."""
        room = SAMPLED - len(self._keys) if self._judges else 0
        if room and keys:
            self._keys += keys[:: -(-len(keys) // room)]

    def broken(self, store: OneHost) -> tuple[int, dict[str, dict[str, int]]]:
        """How many entities were judged; and how many of their values break each rule, by feature."""
        if not self._keys:
            return 0, {}
        with store.snapshot() as snapshot:
            served = read_manifest(snapshot).of(self._binding.id)
            prefixes = [segment_prefix(segment.number) for segment in served.segments]
            found = snapshot.multi_get([prefix + key for key in self._keys for prefix in prefixes])
        there = [(data, place // len(prefixes)) for place, data in enumerate(found) if data is not None]
        states = states_of(self._binding, list(self._judges))
        records, entity = [data for data, _ in there], [number for _, number in there]
        columns = states.read(records, entity, len(self._keys), served.known)
        broken = {name: judge.broken(columns[name].values) for name, judge in self._judges.items()}
        return len(self._keys), broken
