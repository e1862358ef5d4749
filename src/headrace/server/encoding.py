"""What the client takes: the form of an answer, and how its bytes may be compressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from headrace.errors import DataError
from headrace.server.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ARROW", "LEAST", "compressed", "takes", "too_large", "unpacked", "wants_arrow"]

ARROW = b"application/vnd.apache.arrow.stream"
LEAST = 8_192
"""Bytes from which on compressing an answer is worth the time."""

_GZIP_LEVEL = 1
_GZIP = 31  # zlib's word for gzip's frame, with its largest window


def wants_arrow(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the client asks for Arrow."""
    return any(name == b"accept" and ARROW in takes(value) for name, value in headers)


def unpacked(headers: Sequence[tuple[bytes, bytes]], body: bytes, largest: int) -> bytes:
    """The body of a request as it was before it was compressed; no more of it is made than may be sent.

    Args:
        headers: Those of the request.
        body: What was sent.
        largest: Bytes of the largest body taken.

    Raises:
        RefusedError: It is longer (413), no gzip (400), or compressed by anything else (415).
    """
    named = [value.strip().lower() for name, value in headers if name == b"content-encoding"]
    if not named or named == [b"identity"]:
        return body
    if named != [b"gzip"]:
        shown = b", ".join(named).decode("latin-1")
        unknown = DataError(
            f"A body in {shown!r} cannot be read.", asked=shown, available=["gzip"], remedy="Send gzip."
        )
        raise RefusedError(unknown, 415)
    unpacker = zlib.decompressobj(_GZIP)
    try:
        whole = unpacker.decompress(body, largest + 1)
    except zlib.error:
        whole = b""
    if len(whole) > largest:
        raise too_large(len(whole), largest)
    if not unpacker.eof or unpacker.unused_data:
        broken = DataError(
            "The body is no whole gzip stream.", remedy="Send it as it is, or compress it again."
        )
        raise RefusedError(broken, 400)
    return whole


def too_large(size: int, largest: int) -> RefusedError:
    """The refusal of a body that is too large."""
    error = DataError(
        f"The body has more than {largest:,} bytes.", asked=size, remedy="Ask about fewer entities at once."
    )
    return RefusedError(error, 413)


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
