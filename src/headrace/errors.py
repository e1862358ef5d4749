"""Every error Headrace raises on purpose, in one tree.

::

    HeadraceError
    ├── DefinitionError          a definition is wrong where it is written
    ├── UnknownNameError         a name that does not exist (the nearest ones are offered)
    ├── ConflictError            somebody else changed the same thing first
    ├── DestructiveChangeError   a change that would lose data, without permission
    ├── DataError                rows, files or spines that cannot be used
    ├── StoreError               a store, registry or directory that cannot be used
    │   ├── NotLoadedError       a view without state that can be read
    │   └── UnreachableError     a server that is away at the moment
    ├── AsOfTooEarly             an instant before the stored state begins
    └── AuthError                the caller may not do this

Each says what was asked, what exists, and what to do: `asked`, `available`, `remedy`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AsOfTooEarly",
    "AuthError",
    "ConflictError",
    "DataError",
    "DefinitionError",
    "DestructiveChangeError",
    "HeadraceError",
    "NotLoadedError",
    "StoreError",
    "UnknownNameError",
    "UnreachableError",
]


class HeadraceError(Exception):
    """The root of the tree.

    Attributes:
        message: What went wrong, one sentence.
        asked: What the caller asked for, as text; None where nothing was named.
        available: What exists instead, nearest first.
        remedy: What to do about it.
    """

    def __init__(
        self, message: str, *, asked: object = None, available: Iterable[str] = (), remedy: str = ""
    ) -> None:
        """Build the error; its text is the message, what exists and the remedy."""
        self.message = _printable(message)
        self.asked = None if asked is None else _printable(str(asked))
        self.available = tuple(map(_printable, available))
        self.remedy = _printable(remedy)
        super().__init__(self._text())

    def document(self) -> dict[str, Any]:
        """The error as programs read it: under `error`, its type and what its attributes say."""
        told = {
            "type": next(kind.__name__ for kind in type(self).__mro__ if kind.__name__ in __all__),
            "message": self.message,
            "asked": self.asked,
            "available": list(self.available),
            "remedy": self.remedy,
        }
        return {"error": told}

    @staticmethod
    def from_document(document: dict[str, Any]) -> HeadraceError:
        """The error that a document of `document` tells of.

        Raises:
            KeyError, TypeError, AttributeError: It is no such document.
        """
        told = document["error"]
        kind = globals()[told["type"]] if told["type"] in __all__ else HeadraceError
        asked, available, remedy = told["asked"], told["available"], told["remedy"]
        error: HeadraceError = kind(told["message"], asked=asked, available=available, remedy=remedy)
        return error

    def _text(self) -> str:
        parts = [self.message]
        if self.available:
            parts.append("Available: " + ", ".join(self.available) + ".")
        if self.remedy:
            parts.append(self.remedy)
        return " ".join(parts)


def _printable(text: str) -> str:
    """The text as any terminal or file can take it: a name that was asked for may hold half a character."""
    return text.encode(errors="backslashreplace").decode()


class DefinitionError(HeadraceError):
    """A definition is wrong; the text names the file and line where it is written."""


class UnknownNameError(HeadraceError):
    """A name that does not exist."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """The error for an unknown `name` of a `kind`, offering the nearest of the `known` names."""
        names = sorted(set(known))
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
        if near:
            remedy = f"Did you mean {near[0]!r}?"
        else:
            remedy = f"Name a {kind} that there is." if names else f"There is no {kind} yet."
        available = near or names[:8]
        return cls(f"There is no {kind} named {name!r}.", asked=name, available=available, remedy=remedy)


class ConflictError(HeadraceError):
    """Another writer changed the same thing first; nothing was written."""


class DestructiveChangeError(HeadraceError):
    """The change would lose data and was not allowed to; nothing was written."""


class DataError(HeadraceError):
    """Rows, files, schemas or spines that cannot be used."""


class StoreError(HeadraceError):
    """A store, registry or directory that cannot be used."""


class NotLoadedError(StoreError):
    """A view has no state that can be read: it was never loaded, or by another definition or layout."""


class UnreachableError(StoreError):
    """A server that cannot be reached, or does not answer, at the moment."""


class AsOfTooEarly(HeadraceError):  # noqa: N818 - the public contract names it so
    """Every entity asked for was asked at an instant before its stored state begins."""


class AuthError(HeadraceError):
    """The caller is not known or may not do this."""
