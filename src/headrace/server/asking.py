"""Where the server asks the store: for features, and whether there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.online.answer import OnlineFeatures
    from headrace.project import FeatureStore
    from headrace.server.questions import OnlineQuestion

__all__ = ["ask", "is_there"]

_LOG = logging.getLogger("headrace.server")
_AT_ONCE = 256
"""Entities up to which a read of this host takes less than handing it to a thread would delay others."""


async def ask(store: FeatureStore, asked: OnlineQuestion, seconds: float | None) -> OnlineFeatures:
    """The features of a request.

    Args:
        store: The project.
        asked: What is asked for.
        seconds: After which what is not there yet is INVALID; None for as long as it takes.

    Raises:
        HeadraceError: As `FeatureStore.get_online_features` does.
    """
    arguments = asked.arguments()
    if store.reads_at_once and asked.many <= _AT_ONCE and not store.runs_functions(**arguments):
        return store.get_online_features(**arguments, timeout=seconds)
    answer = await store.get_online_features_async(**arguments, timeout=seconds)
    for each in answer.overran:
        _LOG.warning("%s was running at the deadline; it took %.1f ms.", each.function, each.took / 1_000)
    return answer


def is_there(store: FeatureStore) -> None:
    """Find out whether registry and online store answer.

    Raises:
        StoreError: One of them does not.
    """
    store.check_serving()
