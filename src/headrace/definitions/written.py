"""What the small parts of definitions have in common: where each is written, and texts that say something."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from headrace.aggregations.base import written_at
from headrace.definitions.base import NOT_DATA
from headrace.errors import DefinitionError

__all__ = ["Written"]


@dataclass(frozen=True)
class Written:
    """A part of a definition."""

    _: KW_ONLY
    written: str = field(default="", compare=False, repr=False, metadata=NOT_DATA)

    def __post_init__(self) -> None:
        """Note where it is written."""
        object.__setattr__(self, "written", self.written or written_at())

    def wrong(self, what: str, asked: Any, remedy: str) -> DefinitionError:
        """An error that names file and line."""
        return DefinitionError(f"{self.written}: {type(self).__name__}: {what}", asked=asked, remedy=remedy)

    def _text(self, name: str) -> None:
        given = getattr(self, name)
        if not isinstance(given, str) or not given.strip():
            raise self.wrong(f"{name} is a text, not {given!r}.", given, f'Give {name}="...".')
