"""What the server answers: a status, a type and bytes; errors as one document."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from headrace import errors

__all__ = ["JSON", "Reply", "json_reply", "refusal"]

JSON = b"application/json"

_STATUS = {
    errors.DefinitionError: 422,
    errors.UnknownNameError: 404,
    errors.ConflictError: 409,
    errors.DestructiveChangeError: 409,
    errors.DataError: 422,
    errors.StoreError: 503,
    errors.AsOfTooEarly: 422,
    errors.AuthError: 403,
}
"""What each kind of error is to HTTP."""


class Reply(NamedTuple):
    """An answer.

    Attributes:
        body: Its bytes.
        status: The status of HTTP.
        content_type: What the bytes are.
    """

    body: bytes
    status: int = 200
    content_type: bytes = JSON


def json_reply(value: object, status: int = 200) -> Reply:
    """A document as an answer."""
    return Reply(msgspec.json.encode(value), status)


def refusal(error: errors.HeadraceError, status: int | None = None) -> Reply:
    """The document of an error.

    Args:
        error: What went wrong.
        status: The status; by default that of the error's kind.
    """
    return json_reply(error.document(), status or _STATUS.get(type(error), 500))
