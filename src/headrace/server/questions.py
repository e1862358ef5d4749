"""What clients send, decoded: the shapes of request bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from headrace.errors import DataError
from headrace.server.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LONGEST_TIMEOUT",
    "OnlineQuestion",
    "PushQuestion",
    "online_question",
    "push_question",
    "timeout_of",
]


class OnlineQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /get-online-features`: Feast's, and `as_of`, `context` and `experiment` besides.

    Attributes:
        entities: Join key -> values; request fields that differ by entity beside them.
        features: References such as `user_ads:ctr_7d`.
        feature_service: A service instead of features, `ctr_model@1`.
        full_feature_names: Name columns `view__feature`.
        as_of: The instant to answer for: RFC 3339, or microseconds UTC; the present by default.
        context: Request fields with one value for all entities.
        experiment: An experiment whose variants say which service each entity gets.
        include_feature_view_version_metadata: Feast's; the answer never holds it.
    """

    entities: dict[str, list[Any]] = {}
    features: list[str] | None = None
    feature_service: str | None = None
    full_feature_names: bool = False
    as_of: str | int | None = None
    context: dict[str, Any] | None = None
    experiment: str | None = None
    include_feature_view_version_metadata: bool = False

    @property
    def many(self) -> int:
        """How many entities are asked about."""
        return max(map(len, self.entities.values()), default=1)

    def arguments(self) -> dict[str, Any]:
        """The arguments of `FeatureStore.get_online_features`."""
        service = self.feature_service
        return {
            "features": None if service is not None and not self.features else self.features,
            "entities": self.entities,
            "service": service,
            "context": self.context,
            "as_of": self.as_of,
            "full_feature_names": self.full_feature_names,
        }


_TO = ("online", "online_and_offline")


class PushQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /push`: a source and its rows, or Feast's push source and columns.

    Attributes:
        source: The source's name.
        rows: Its events.
        push_source_name: The source's name, by Feast's word.
        df: The events by column, by Feast's word.
        to: Feast's: `online`, or `online_and_offline`, which is no different; nothing else.
        allow_registry_cache: Feast's; makes no difference.
        transform_on_write: Feast's; makes no difference.
        again: Whether it was sent before and its answer was lost, so that it may have been taken.
    """

    source: str | None = None
    rows: list[dict[str, Any]] | None = None
    push_source_name: str | None = None
    df: dict[str, list[Any]] | None = None
    to: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(_TO)})] = "online"
    allow_registry_cache: bool = True
    transform_on_write: bool = True
    again: bool = False

    @property
    def name(self) -> str:
        """The source's name.

        Raises:
            DataError: There is none, or there are two.
        """
        if (self.source is None) == (self.push_source_name is None):
            raise DataError("Name one source.", remedy=_PUSH)
        return self.source or self.push_source_name or ""

    def events(self) -> list[dict[str, Any]]:
        """The events, by row.

        Raises:
            DataError: There are none, or there are rows and columns, or columns differ in length.
        """
        if (self.rows is None) == (self.df is None):
            raise DataError("Give rows, or columns in df.", remedy=_PUSH)
        if self.df is None:
            return self.rows or []
        if len(set(map(len, self.df.values()))) > 1:
            raise DataError(
                "The columns of df differ in length.",
                available=self.df,
                remedy="Give each a value for each row.",
            )
        return [dict(zip(self.df, row, strict=True)) for row in zip(*self.df.values(), strict=True)]


_PUSH = 'Send JSON: {"source": "clicks", "rows": [{"user_id": "u1", ...}]}.'
_ASK = 'Send JSON: {"features": ["view:feature"], "entities": {"key": [...]}}.'
LONGEST_TIMEOUT = 3_600_000
"""Milliseconds that a request may ask to be given: an hour."""
_DIGITS = 12
_HALF = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""An escaped backslash, an escaped character of two halves, or (a group) half of one alone."""
_ONLINE = msgspec.json.Decoder(OnlineQuestion)


_PUSHED = msgspec.json.Decoder(PushQuestion)
Body = TypeVar("Body")


def push_question(body: bytes) -> PushQuestion:
    """A push.

    Raises:
        RefusedError: The body is no JSON, or not of this shape; its events are not to count online (400).
    """
    asked = _decoded(_PUSHED, body, _PUSH)
    if asked.to not in _TO:
        not_online = DataError(
            f"A push counts online at once: there is none to {asked.to!r}.",
            asked=asked.to,
            available=_TO,
            remedy="Add events that are history only to the files of the source's batch.",
        )
        raise RefusedError(not_online, 400)
    return asked


def _decoded(decoder: msgspec.json.Decoder[Body], body: bytes, remedy: str) -> Body:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = _half_a_character(body) or str(error)
        unreadable = DataError(f"The body of the request cannot be read: {why}.", remedy=remedy)
        raise RefusedError(unreadable, 400) from None


def _half_a_character(body: bytes) -> str:
    """What is no text in a body because it is half a character; the decoder calls that a cut body."""
    for found in _HALF.finditer(body):
        if found[1]:
            return f"{found[1].decode()} is half a character, which is no valid text"
    return ""


def online_question(body: bytes, most: int) -> OnlineQuestion:
    """A request for features.

    Args:
        body: What was sent.
        most: How many entities it may ask about.

    Raises:
        RefusedError: The body is no JSON, or not of this shape (400); it asks about too many entities (422).
    """
    asked = _decoded(_ONLINE, body, _ASK)
    if asked.many > most:
        too_many = DataError(
            f"{asked.many:,} entities are asked about; {most:,} may be.",
            asked=asked.many,
            remedy="Ask in several requests, or raise [serving] max_entities.",
        )
        raise RefusedError(too_many, 422)
    return asked


def timeout_of(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """The seconds that `X-Request-Timeout-Ms` gives a request; None where it is not sent.

    Raises:
        RefusedError: It is no whole number of milliseconds from 1 to 3,600,000, or sent twice (400).
    """
    given = [value for name, value in headers if name == b"x-request-timeout-ms"]
    if not given:
        return None
    text = given[0].strip()
    if len(given) == 1 and text.isdigit() and len(text) <= _DIGITS and 1 <= int(text) <= LONGEST_TIMEOUT:
        return int(text) / 1_000
    shown = b", ".join(given).decode("latin-1")
    wrong = DataError(
        f"The header X-Request-Timeout-Ms is {shown!r}.",
        asked=shown,
        remedy=f"Give a whole number of milliseconds from 1 to {LONGEST_TIMEOUT:,}, or leave it out.",
    )
    raise RefusedError(wrong, 400)
