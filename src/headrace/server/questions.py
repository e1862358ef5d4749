"""What clients send, decoded: the shapes of request bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from headrace.errors import DataError
from headrace.server.replies import RefusedError

__all__ = ["OnlineQuestion", "online_question"]


class OnlineQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /get-online-features`: Feast's, and `as_of` and `context` besides.

    Attributes:
        entities: Join key -> values; request fields that differ by entity beside them.
        features: References such as `user_ads:ctr_7d`.
        feature_service: A service instead of features, `ctr_model@1`.
        full_feature_names: Name columns `view__feature`.
        as_of: The instant to answer for: RFC 3339, or microseconds UTC; the present by default.
        context: Request fields with one value for all entities.
        include_feature_view_version_metadata: Feast's; the answer never holds it.
    """

    entities: dict[str, list[Any]] = {}
    features: list[str] | None = None
    feature_service: str | None = None
    full_feature_names: bool = False
    as_of: str | int | None = None
    context: dict[str, Any] | None = None
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


_ONLINE = msgspec.json.Decoder(OnlineQuestion)


def online_question(body: bytes, most: int) -> OnlineQuestion:
    """A request for features.

    Args:
        body: What was sent.
        most: How many entities it may ask about.

    Raises:
        RefusedError: The body is no JSON, or not of this shape (400); it asks about too many entities (422).
    """
    try:
        asked = _ONLINE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        unreadable = DataError(
            f"The body of the request cannot be read: {error}.",
            remedy='Send JSON: {"features": ["view:feature"], "entities": {"key": [...]}}.',
        )
        raise RefusedError(unreadable, 400) from None
    if asked.many > most:
        too_many = DataError(
            f"{asked.many:,} entities are asked about; {most:,} may be.",
            asked=asked.many,
            remedy="Ask in several requests, or raise [serving] max_entities.",
        )
        raise RefusedError(too_many, 422)
    return asked
