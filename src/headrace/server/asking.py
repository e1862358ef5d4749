"""Where the server asks the store: for features, and whether there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from headrace.errors import ConflictError, UnknownNameError

if TYPE_CHECKING:
    from headrace.online.answer import OnlineFeatures
    from headrace.project import FeatureStore
    from headrace.server.questions import OnlineQuestion, PushQuestion

__all__ = ["ask", "check_again", "is_there"]

_LOG = logging.getLogger("headrace.server")


async def ask(store: FeatureStore, asked: OnlineQuestion, seconds: float | None) -> OnlineFeatures:
    """The features of a request.

    Args:
        store: The project.
        asked: What is asked for.
        seconds: After which what is not there yet is INVALID; None for as long as it takes.

    Raises:
        HeadraceError: As `FeatureStore.get_online_features` does.
        UnknownNameError: There is no such experiment.
    """
    if asked.experiment is not None:
        raise UnknownNameError(
            f"There is no experiment {asked.experiment!r}.",
            asked=asked.experiment,
            remedy="Leave the experiment out: there are none yet.",
        )
    answer = await store.get_online_features_async(**asked.arguments(), timeout=seconds)
    for each in answer.overran:
        _LOG.warning("%s was running at the deadline; it took %.1f ms.", each.function, each.took / 1_000)
    return answer


def check_again(store: FeatureStore, asked: PushQuestion) -> None:
    """Find out whether a push that may have been taken can be taken once more.

    Raises:
        ConflictError: An event of it has no id, and would count twice.
        UnknownNameError: There is no such source.
    """
    event_id = getattr(store.registry.definition("source", asked.name), "event_id", None)
    if event_id is None or any(row.get(event_id) is None for row in asked.events()):
        raise ConflictError(
            "The answer to this push was lost, and its events have no ids: they may count or not.",
            asked=asked.name,
            remedy="Look at the features; give the source an event_id, so that a push can be repeated.",
        )


def is_there(store: FeatureStore) -> None:
    """Find out whether registry and online store answer.

    Raises:
        StoreError: One of them does not.
    """
    store.check_serving()
