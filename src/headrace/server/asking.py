"""Where the server asks the store: for features, and whether there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.online.answer import OnlineFeatures
    from headrace.project import FeatureStore
    from headrace.server.questions import OnlineQuestion

__all__ = ["ask", "is_there"]

_AT_ONCE = 256
"""Entities up to which a read of this host takes less than handing it to a thread would delay others."""


async def ask(store: FeatureStore, asked: OnlineQuestion) -> OnlineFeatures:
    """The features of a request.

    Args:
        store: The project.
        asked: What is asked for.

    Raises:
        HeadraceError: As `FeatureStore.get_online_features` does.
    """
    if store.reads_at_once and asked.many <= _AT_ONCE:
        return store.get_online_features(**asked.arguments())
    return await store.get_online_features_async(**asked.arguments())


def is_there(store: FeatureStore) -> None:
    """Find out whether registry and online store answer.

    Raises:
        StoreError: One of them does not.
    """
    store.check_serving()
