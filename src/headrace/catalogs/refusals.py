"""What a database says when it refuses, in words that help: every driver error becomes one StoreError."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from headrace.errors import StoreError
from headrace.ports.backoff import pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["refusals", "tried_again"]

P = ParamSpec("P")
R = TypeVar("R")

_TURNED_AWAY = frozenset({"40001", "40P01"})
"""What PostgreSQL calls a transaction that it undid for the sake of others: 40P01 is a deadlock."""

_TRIES = 8

_SETTING = "[registry] url"

# (words in the driver's message, our sentence, what to do); the first that fits
_KNOWN = (
    (
        ("not a database", "malformed"),
        "is not a Headrace registry, or it is damaged.",
        f"Name another file in {_SETTING}, or restore it from a backup.",
    ),
    (
        ("unable to open database",),
        "cannot be opened.",
        "Give this user read and write access to the file and its directory.",
    ),
    (
        ("readonly database", "read-only transaction", "permission denied"),
        "cannot be written.",
        "Give this user write access to the registry, and with SQLite to its directory as well.",
    ),
    (
        ("database is locked", "lock timeout"),
        "is held by another program.",
        "Wait until the other writer is done, or end it; then try again.",
    ),
    (
        ("disk is full", "disk i/o error", "no space left"),
        "cannot be written: the disk is full or failing.",
        "Make room on the disk; nothing was written.",
    ),
    (
        ("deadlock detected", "could not serialize"),
        "is changed by too many at once.",
        "Try again; nothing was written.",
    ),
    (
        ("password authentication", "no pg_hba.conf entry", "fatal:  role", 'fatal:  database "'),
        "does not let us in.",
        f"Check user, password and database in {_SETTING}.",
    ),
    (
        ("connection", "translate host", "resolve host", "name resolution", "timeout expired"),
        "cannot be reached.",
        f"Check that the server runs and that {_SETTING} names it.",
    ),
    (
        ("errno",),  # of the file system, while its directory was made
        "cannot be opened.",
        f"Name a directory in {_SETTING} that this user may write to.",
    ),
)


@contextlib.contextmanager
def refusals(where: str) -> Iterator[None]:
    """Turn the errors of the driver and of the file system inside the block into a StoreError.

    Args:
        where: The registry, as it may be shown: no password.

    Raises:
        StoreError: The block raised one of them.
    """
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        said = str(error.orig if isinstance(error, DBAPIError) else error)
        sentence, remedy = _explained(said)
        first = next(iter(said.splitlines()), "")
        raise StoreError(f"The registry {where} {sentence} ({first})", asked=where, remedy=remedy) from error


def tried_again(transaction: Callable[P, R]) -> Callable[P, R]:
    """Run a whole transaction again, some times, when the server undid it for the sake of others."""

    @functools.wraps(transaction)
    def persistent(*args: P.args, **kwargs: P.kwargs) -> R:
        for pause in pauses(_TRIES):
            try:
                return transaction(*args, **kwargs)
            except StoreError as error:
                if not _was_turned_away(error):
                    raise
            time.sleep(pause)
        return transaction(*args, **kwargs)

    return persistent


def _was_turned_away(error: StoreError) -> bool:
    refusal = error.__cause__
    return isinstance(refusal, DBAPIError) and getattr(refusal.orig, "sqlstate", None) in _TURNED_AWAY


def _explained(said: str) -> tuple[str, str]:
    low = said.lower()
    for words, sentence, remedy in _KNOWN:
        if any(word in low for word in words):
            return sentence, remedy
    return "refused.", f"Check the database that {_SETTING} names."
