"""Hashes of many texts at once, eight bytes of each at a time; the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.aggregations.dictionary import hash_bytes, hash_words
from headrace.aggregations.states import lengths_of

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["hash_texts"]

_LONGEST = 256
"""Texts longer than this many bytes are hashed one by one: few rows would make many rounds."""


def hash_texts(texts: pa.Array) -> Array:
    """A fixed 64-bit hash of each text.

    Args:
        texts: n strings or byte strings, of either width of offsets; nulls are hashed as the empty text.

    Returns:
        n uint64.
    """
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return np.zeros(len(texts), dtype=np.uint64)
    bounds = np.frombuffer(offsets, np.int64 if wide else np.int32)[texts.offset :][: len(texts) + 1]
    starts = (bounds[:-1] - bounds[0]).astype(np.int64)
    lengths = lengths_of(bounds).astype(np.int64)
    if texts.null_count:
        lengths[texts.is_null().to_numpy(zero_copy_only=False)] = 0  # a null may have bytes that nobody sees
    long = np.flatnonzero(lengths > _LONGEST)
    if len(long):
        lengths[long] = 0
    hashes = _rounds(np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]], starts, lengths)
    if len(long):
        hashes[long] = hash_bytes(texts.take(pa.array(long)).cast(pa.large_binary()).to_pylist())
    return hashes


def _rounds(data: Array, starts: Array, lengths: Array) -> Array:
    """Hash texts that lie one after another, the n-th words of all of them in the n-th round."""
    padded = np.zeros(len(data) + 8, dtype=np.uint8)
    padded[: len(data)] = data
    # Eight bytes from any place on, as one word.
    words = np.ndarray((len(data) + 1,), dtype="<u8", buffer=padded.data, strides=(1,))
    hashes = hash_words(lengths)
    for done in range(0, int(lengths.max()), 8):
        left = lengths - done
        rows = slice(None) if int(left.min()) > 0 else np.flatnonzero(left > 0)
        word = words[starts[rows] + done]
        if int((short := left[rows]).min()) < 8:
            word &= ~np.uint64(0) >> (8 * (8 - np.clip(short, 1, 8))).astype(np.uint64)
        hashes[rows] = hash_words((hashes[rows] ^ word).view(np.int64))
    return hashes
