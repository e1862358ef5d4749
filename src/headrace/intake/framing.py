"""What stands before messages: the header that serializers of the Confluent platform write."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HEADER", "Framed", "UnreadableError", "framed", "without_path"]

HEADER = 5
"""Bytes of the header: a zero, and the schema's number, the highest byte first."""


class UnreadableError(Exception):
    """A message is not what its form says; the text says why."""


class Framed(NamedTuple):
    """A message with a header: the schema's number, and what follows."""

    schema: int
    body: bytes


def framed(value: bytes) -> Framed:
    """A message, taken out of its frame.

    Raises:
        UnreadableError: It does not begin with the header.
    """
    if len(value) < HEADER or value[0]:
        raise UnreadableError('it does not begin with the header of framing="confluent"')
    return Framed(int.from_bytes(value[1:HEADER], "big"), value[HEADER:])


def without_path(body: bytes) -> bytes:
    """A Protobuf message without the path that says which message of its file it is.

    The path is a count and so many numbers, each by seven bits a byte.

    Raises:
        UnreadableError: It does not begin with one.
    """
    count, at = _number(body, 0)
    for _ in range(count):
        _, at = _number(body, at)
    return body[at:]


def _number(body: bytes, at: int) -> tuple[int, int]:
    """A number, folded so that small negative ones are short, and where it ends."""
    raw = shift = 0
    while at < len(body) and shift < 70:
        raw |= (body[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not body[at - 1] & 128:
            return (raw >> 1) ^ -(raw & 1), at
    raise UnreadableError("it does not say which message of the schema's file it is")
