"""What clients send, decoded: the shapes of request bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from headrace.errors import DataError

__all__ = ["OnlineQuestion", "decoded"]


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


def decoded(body: bytes) -> OnlineQuestion:
    """A request for features.

    Raises:
        DataError: The body is no JSON, or not of this shape.
    """
    try:
        return _ONLINE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"The body of the request cannot be read: {error}.",
            remedy='Send JSON: {"features": ["view:feature"], "entities": {"key": [...]}}.',
        ) from None
