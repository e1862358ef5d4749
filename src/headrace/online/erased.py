"""Who has been erased: what was known of them before that instant is never stored again.

A load may read a file that still has their events, a client may send some late, a process may hold a batch
read before. So each erasure is remembered, by a keyed hash: the keys themselves are nowhere. An erasure is of
a kind, the join keys it names, in the order of names; whose key has those parts and others is covered too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import DataError
from headrace.kernel.clean import KNOWN
from headrace.kernel.entities import key_column
from headrace.keys import KeyPart, decode_key, encode_key
from headrace.schema import Schema
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from headrace.aggregations.states import Array
    from headrace.ports.key_value import Reader, Writer

__all__ = [
    "NOBODY",
    "Erased",
    "Person",
    "decode_erased",
    "encode_erased",
    "keys_of",
    "names_person",
    "people_of",
    "read_erased",
    "write_erased",
]

Person = tuple[tuple[str, KeyPart], ...]
"""Who is erased: the join keys, in the order of their names, and the value of each as keys have it."""

_ERASED, _MARK = encode_key(("erased",)), encode_key(("erased mark",))


class Erased(msgspec.Struct, frozen=True):
    """Who has been erased, and when.

    Attributes:
        secret: The key of the hash.
        kinds: Join keys, as a JSON list -> hash of a person -> the instant before which all is gone.
    """

    secret: bytes = b""
    kinds: dict[str, dict[str, int]] = {}

    def __bool__(self) -> bool:
        """Whether anybody is."""
        return bool(self.kinds)

    def with_people(self, people: Iterable[Person], at: int) -> Erased:
        """These, and some people erased at an instant."""
        more = Erased(self.secret or os.urandom(32), {kind: dict(each) for kind, each in self.kinds.items()})
        for person in people:
            until = more.kinds.setdefault(json.dumps([name for name, _ in person]), {})
            digest = more.digest(encode_key(value for _, value in person))
            until[digest] = max(at, until.get(digest, FOREVER_AGO))
        return more

    def since(self, at: int) -> Erased:
        """Those erased at an instant or later."""
        kinds = {
            kind: {digest: until for digest, until in each.items() if until >= at}
            for kind, each in self.kinds.items()
        }
        return Erased(self.secret, {kind: each for kind, each in kinds.items() if each})

    def digest(self, key: bytes) -> str:
        """The hash of a person's encoded key, its parts in the order of their names."""
        return hashlib.blake2b(key, digest_size=16, key=self.secret).hexdigest()

    def until(self, names: Sequence[str], keys: Sequence[bytes]) -> Array | None:
        """For each entity, the instant before which all of it is gone; `FOREVER_AGO` for most.

        Args:
            names: The join keys of the entities, in the order of their parts.
            keys: Their encoded keys.

        Returns:
            int64; None if none of them is erased.
        """
        found = np.full(len(keys), FOREVER_AGO, dtype=np.int64)
        for kind, until in self._kinds(names):
            places = None if kind == list(names) else [names.index(name) for name in kind]
            for row, key in enumerate(keys):
                at = until.get(self.digest(key if places is None else _rearranged(key, places)))
                if at is not None and at > found[row]:
                    found[row] = at
        return found if (found != FOREVER_AGO).any() else None

    def gone(self, events: pa.Table) -> Array | None:
        """Which events are of people who were erased after the events were known.

        Args:
            events: Clean events.

        Returns:
            Booleans; None if none is.
        """
        gone: Array | None = None
        for kind, until in self._kinds(events.column_names):
            encoded = keys_of(events, kind)
            if encoded is None:
                continue
            keys = pc.dictionary_encode(encoded)
            at = [until.get(self.digest(key), FOREVER_AGO) for key in keys.dictionary.to_pylist()]
            if set(at) - {FOREVER_AGO}:
                of_row = np.array([*at, FOREVER_AGO])[pc.fill_null(keys.indices, len(at)).to_numpy()]
                mine = events.column(KNOWN).to_numpy() < of_row
                gone = mine if gone is None else gone | mine
        return gone if gone is not None and gone.any() else None

    def holds_row(self, text: str, at: int) -> bool:
        """Whether a row, as quarantine has it, is of somebody erased after an instant.

        Args:
            text: The row as JSON; what is none is of nobody.
            at: The instant it was known or found.
        """
        row = _object(text) or {}
        return any(
            until.get(self.digest(encode_key(parts)), FOREVER_AGO) > at
            for kind, until in self._kinds(row)
            for parts in itertools.product(*(_readings(row[name]) for name in kind))
        )

    def _kinds(self, names: Iterable[str]) -> Iterator[tuple[list[str], dict[str, int]]]:
        """The kinds all of whose join keys are among some names."""
        there = set(names)
        for kind, until in self.kinds.items():
            wanted: list[str] = json.loads(kind)
            if there.issuperset(wanted):
                yield wanted, until


def _rearranged(key: bytes, places: Sequence[int]) -> bytes:
    """A key of some of the parts of another."""
    parts = decode_key(key)
    return encode_key(parts[place] for place in places)


NOBODY = Erased()


@lru_cache(maxsize=4)
def _decoded(data: bytes) -> Erased:
    return msgspec.json.decode(data, type=Erased)


def decode_erased(data: bytes) -> Erased:
    """Those that were written by `encode_erased`."""
    return _decoded(data)


def encode_erased(erased: Erased) -> bytes:
    """As bytes that hold nobody's key."""
    return msgspec.json.encode(erased)


_STORES = 8
_last: dict[bytes, Erased] = {}


def read_erased(store: Reader) -> Erased:
    """Who has been erased from a store; cheap where that is what it was at the last look."""
    (mark,) = store.multi_get([_MARK])
    if mark is None:
        return NOBODY
    if mark not in _last:
        (data,) = store.multi_get([_ERASED])
        if len(_last) >= _STORES:
            _last.clear()
        _last[mark] = NOBODY if data is None else decode_erased(data)
    return _last[mark]


def write_erased(tx: Writer, people: Iterable[Person], at: int) -> None:
    """Remember that people are erased, in a transaction."""
    erased = read_erased(tx).with_people(people, at)
    # a mark that is never used again: readers see at a glance whether there is more to know
    tx.multi_put([(_ERASED, encode_erased(erased)), (_MARK, os.urandom(16))])


def keys_of(events: pa.Table, names: Sequence[str]) -> pa.Array | None:
    """The keys of events by some columns, null where one is; None where no keys can be made of them."""
    if not set(names) <= set(events.column_names):
        return None
    columns = {name: _KEY_TYPES.get(str(events.schema.field(name).type)) for name in names}
    if None in columns.values():
        return None
    return key_column(events, Schema({name: of for name, of in columns.items() if of is not None}))


_KEY_TYPES = {
    "string": "string",
    "large_string": "string",
    "int64": "int64",
    "bool": "bool",
    "binary": "binary",
    "large_binary": "binary",
}
"""Types of Arrow that join keys have."""


def names_person(text: str, person: Person) -> bool:
    """Whether a row, as quarantine has it, is of a person; one that cannot be read, if it has all words."""
    row = _object(text)
    if row is None:
        return all(_has_word(text, value) for _, value in person)
    return all(name in row and value in _readings(row[name]) for name, value in person)


def _object(text: str) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _readings(value: Any) -> list[KeyPart]:
    """What a value of a row may be as part of a key, whatever type that has."""
    if isinstance(value, bool):
        return [value]
    if not isinstance(value, str | int) or _SURROGATE.search(text := str(value)):
        return []
    whole = int(text) if _WHOLE.fullmatch(text) else None
    return [text] if whole is None or not -(2**63) <= whole < 2**63 else [text, whole]


_WHOLE, _SURROGATE = re.compile(r"\s*[+-]?[0-9]{1,19}\s*"), re.compile("[\ud800-\udfff]")


def _has_word(text: str, value: KeyPart) -> bool:
    """Whether a text has a value by itself."""
    word = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    spellings = {word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]}
    return any(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text) for each in spellings)


def people_of(names: Sequence[str], keys: Sequence[bytes | None]) -> list[Person]:
    """People from encoded keys.

    Args:
        names: The join keys, in the order of the parts.
        keys: Their keys.

    Raises:
        DataError: A key has a null part.
    """
    if None in keys:
        raise DataError("A key to forget is null.", remedy="Give every part of the key a value.")
    return [
        tuple(sorted(zip(names, decode_key(key), strict=True), key=lambda part: part[0]))
        for key in keys
        if key is not None
    ]
