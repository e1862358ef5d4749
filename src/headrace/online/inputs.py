"""What the loaded segments of a view were made of, and what that leaves for the next load to read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from headrace.definitions.canonical import semantic_hash
from headrace.kernel.binding import AggregateBinding
from headrace.kernel.tiles import tile_starts
from headrace.online.layout import inputs_key
from headrace.online.manifest import decoded
from headrace.ports.engine import Extent, File, Held

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.manifest import ViewManifest
    from headrace.ports.key_value import Reader, Writer

__all__ = ["Inputs", "Work", "files_read", "put_inputs", "work_of"]


class _Read(msgspec.Struct, frozen=True, array_like=True):
    """A file as a load has read it.

    Attributes:
        name: What it is called.
        size: Bytes.
        changed: When it was last written, nanoseconds since 1970.
        reach: The newest event time and known instant of its clean rows; None without any.
    """

    name: str
    size: int
    changed: int
    reach: tuple[int, int] | None


class Inputs(msgspec.Struct, frozen=True):
    """What segments were made of.

    Attributes:
        meaning: A hash of what decides which rows of the source count, and what for.
        files: The files of the batch.
    """

    meaning: str = ""
    files: tuple[_Read, ...] = ()


_INPUTS = msgspec.json.Decoder(Inputs)


class Work(NamedTuple):
    """What a load has to do.

    Attributes:
        held: What is loaded already and stays; None if all is to be loaded.
        why: Why all is, in words; empty where it need not be.
        basis: A hash of all that the load reads and what it makes of it; empty where that cannot be told.
        meaning: See `Inputs`.
        files: The files of the batch; None where there are none.
    """

    held: Held | None
    why: str
    basis: str
    meaning: str
    files: Sequence[File] | None


def work_of(
    store: Reader,
    binding: Binding,
    served: ViewManifest,
    states: str,
    known: int,
    files: Sequence[File] | None,
    *,
    full: bool = False,
) -> Work:
    """What a load up to K has to do.

    Segments are added to as long as what they were made of is still there as it was. An event of a file that
    came after a load is in none of the segments, however early it was known.

    Args:
        store: The online store.
        binding: The view.
        served: What is loaded.
        states: The fingerprint of the view's states.
        known: K.
        files: The files of the batch now; None where they cannot be told from each other.
        full: Whether all is to be loaded, whatever is there.
    """
    meaning = "" if files is None else _meaning(binding)
    held: Held | None = None
    if full:
        why = "it was asked for"
    elif served.generation < 0:
        why = "nothing is loaded yet"
    elif files is None:
        why = "the batch has no files that could be told from each other"
    elif served.states != states:
        why = "the view has changed"
    elif known < served.known:
        why = "it ends before the load before"
    else:
        data = store.multi_get([inputs_key(binding.id)])[0]
        inputs = Inputs() if data is None else decoded(_INPUTS, data, f"inputs of {binding.id}")
        why = (
            "its source has changed" if inputs.meaning != meaning else _changed(binding, inputs, files, known)
        )
        if not why:
            there = {file.name for file in files}
            reaches = {
                each.name: None if each.reach is None else Extent(*each.reach)
                for each in inputs.files
                if each.name in there
            }
            held = Held(served.known, reaches)
    basis = "" if files is None else _digest(known, states, meaning, held, files, served.generation)
    return Work(held, why, basis, meaning, files)


def put_inputs(tx: Writer, view: str, work: Work, extents: Mapping[str, Extent | None]) -> None:
    """Remember what the view's segments are made of.

    Args:
        tx: The transaction that switches to them.
        view: `name@version`.
        work: What the load had to do.
        extents: How far each file reaches.
    """
    read = tuple(
        _Read(*file, None if (reach := extents.get(file.name)) is None else (reach.time, reach.known))
        for file in work.files or ()
    )
    tx.multi_put([(inputs_key(view), msgspec.json.encode(Inputs(work.meaning, read)))])


def files_read(store: Reader, view: str) -> frozenset[File]:
    """The files that a view's segments were made of, as they were."""
    data = store.multi_get([inputs_key(view)])[0]
    inputs = Inputs() if data is None else decoded(_INPUTS, data, f"inputs of {view}")
    return frozenset(File(each.name, each.size, each.changed) for each in inputs.files)


def _changed(binding: Binding, inputs: Inputs, files: Sequence[File], known: int) -> str:
    """Which file is not what it was when it was loaded, in words; empty for none."""
    there = {file.name: file for file in files}
    for each in inputs.files:
        now = there.get(each.name)
        if now is None:
            if each.reach is not None and not _passed(binding, each.reach[0], known):
                return f"{each.name} is gone"
        elif (now.size, now.changed) != (each.size, each.changed):
            return f"{each.name} has changed"
    return ""


def _passed(binding: Binding, newest: int, known: int) -> bool:
    """Whether no window reaches an event of this time any more, at K or later."""
    if not isinstance(binding, AggregateBinding):
        return False  # a latest value outlives its ttl
    _, reached = tile_starts(binding.plan, np.array([newest], dtype=np.int64), known)
    return not reached.any()


def _meaning(binding: Binding) -> str:
    return _digest(
        semantic_hash(binding.source),
        str(binding.source.batch),
        sorted(binding.expressions.items()),
        [(name, str(of)) for name, of in (*binding.keys.items(), *binding.schema.items())],
        binding.zone,
    )


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
