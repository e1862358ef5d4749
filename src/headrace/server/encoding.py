"""What the client takes: the form of an answer, and how its bytes may be compressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ARROW", "LEAST", "compressed", "takes", "wants_arrow"]

ARROW = b"application/vnd.apache.arrow.stream"
LEAST = 8_192
"""Bytes from which on compressing an answer is worth the time."""

_GZIP_LEVEL = 1
_GZIP = 31  # zlib's word for gzip's frame, with its largest window


def wants_arrow(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the client asks for Arrow."""
    return any(name == b"accept" and ARROW in takes(value) for name, value in headers)


def takes(value: bytes) -> set[bytes]:
    """What a header of kind Accept names; without what it refuses by q=0."""
    found = set()
    for each in value.lower().split(b","):
        word, *parameters = (part.strip() for part in each.split(b";"))
        if not any(
            part.replace(b" ", b"").rstrip(b"0").rstrip(b".") in {b"q=", b"q=0"} for part in parameters
        ):
            found.add(word)
    return found


def compressed(headers: Sequence[tuple[bytes, bytes]], body: bytes) -> tuple[bytes, bytes | None]:
    """A body as the client takes it.

    Args:
        headers: Those of the request.
        body: The answer's bytes.

    Returns:
        The bytes to send, and what they are compressed by; None as they are.
    """
    taken: set[bytes] = set()
    for name, value in headers:
        if name == b"accept-encoding":
            taken |= takes(value)
    if b"zstd" in taken:
        import pyarrow as pa

        return pa.compress(body, codec="zstd", asbytes=True), b"zstd"
    if b"gzip" in taken:
        packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
        return packer.compress(body) + packer.flush(), b"gzip"
    return body, None
