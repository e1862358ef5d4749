"""What the server answers: a status, a type and bytes; errors as one document."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from headrace import errors

__all__ = ["JSON", "RefusedError", "Reply", "json_reply", "refusal"]

JSON = b"application/json"

_STATUS = {
    errors.UnknownNameError: 404,
    errors.ConflictError: 409,
    errors.DestructiveChangeError: 409,
    errors.DefinitionError: 422,
    errors.DataError: 422,
    errors.AsOfTooEarly: 422,
    errors.NotLoadedError: 409,
    errors.StoreError: 503,
    errors.AuthError: 403,
}
"""What each kind of error is to HTTP."""


class RefusedError(Exception):
    """A request that is refused with a status of its own."""

    def __init__(self, error: errors.HeadraceError, status: int) -> None:
        """Refuse it.

        Args:
            error: Why.
            status: The status of HTTP.
        """
        super().__init__(str(error))
        self.error = error
        self.status = status


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


def refusal(error: Exception) -> Reply:
    """The document of an error; what is none of ours is told as no more than a failure."""
    if isinstance(error, RefusedError):
        return json_reply(error.error.document(), error.status)
    if isinstance(error, errors.HeadraceError):
        status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
        return json_reply(error.document(), status)
    failed = errors.HeadraceError("The server failed.", remedy="Its log says more.")
    return json_reply(failed.document(), 500)
