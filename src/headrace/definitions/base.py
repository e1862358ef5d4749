"""What every definition has: a name, words about it, and the place where it is written."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.aggregations.base import written_at
from headrace.definitions.references import Reference
from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["METADATA", "NOT_DATA", "UPDATE_FREQUENCIES", "Definition", "Versioned", "is_feature_name"]

METADATA: dict[str, str] = {"part": "metadata"}
"""Marks a field whose change changes no feature value: it belongs to the metadata part of the fingerprint."""

NOT_DATA: dict[str, str] = {"part": "none"}
"""Marks a field that is no part of the canonical form."""

UPDATE_FREQUENCIES = ("real_time", "hourly", "daily", "weekly")

_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,32}")


@dataclass(frozen=True)
class Definition:
    """The base of all definitions.

    Attributes:
        name: An identifier without `__`, unique among the definitions of its kind.
        description: What it is, in words.
        owner: Who answers for it.
        tags: Words to find it by.
        written: File and line of the definition.
    """

    name: str
    _: KW_ONLY
    description: str = field(default="", metadata=METADATA)
    owner: str = field(default="", metadata=METADATA)
    tags: tuple[str, ...] = field(default=(), metadata=METADATA)
    written: str = field(default="", compare=False, repr=False, metadata=NOT_DATA)

    kind: ClassVar[str] = ""
    """What shares one space of names: entity, source, view, on_demand, service, label."""
    form: ClassVar[str] = ""
    """The class, in the canonical form."""

    def __post_init__(self) -> None:
        """Check the name and the words."""
        self._set(written=self.written or written_at())
        if not isinstance(self.name, str) or not is_feature_name(self.name) or self.name.endswith("_"):
            raise self.error(
                f"{self.name!r} cannot be a name.",
                asked=self.name,
                remedy="Use letters, digits and single _, no digit first and no _ last.",
            )
        for words in ("description", "owner"):
            if not isinstance(getattr(self, words), str):
                raise self.error(
                    f"{words} is a text, not {getattr(self, words)!r}.", asked=getattr(self, words)
                )
        tags = (self.tags,) if isinstance(self.tags, str) else self.sequence("tags")
        if not all(isinstance(tag, str) and tag for tag in tags):
            raise self.error(
                f"tags are words, not {self.tags!r}.", asked=self.tags, remedy='Give tags=["user"].'
            )
        self._set(tags=tags)

    @property
    def reference(self) -> Reference:
        """What it is called by others."""
        return Reference(self.kind, self.name, getattr(self, "version", ""))

    @property
    def uses(self) -> tuple[Definition, ...]:
        """The definitions it holds: a view's entity and source, a service's views and on-demand features."""
        return ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it depends on, single features of views included."""
        return tuple(dict.fromkeys(each.reference for each in self.uses))

    def _set(self, **values: Any) -> None:
        """Bring fields into their one form, while the definition is being made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def error(
        self, message: str, *, asked: object = None, available: Iterable[str] = (), remedy: str = ""
    ) -> DefinitionError:
        """A DefinitionError that names this definition and where it is written."""
        text = f"{self.written}: {self.kind.replace('_', '-')} {self.name!r}: {message}"
        return DefinitionError(text, asked=asked, available=available, remedy=remedy)

    @contextlib.contextmanager
    def located(self, what: str) -> Iterator[None]:
        """Let the errors raised inside name this definition, its place, and which part of it is wrong."""
        try:
            yield
        except DefinitionError as error:
            raise self.error(
                f"{what}: {error.message}", asked=error.asked, available=error.available, remedy=error.remedy
            ) from None

    def sequence(self, name: str, of: str = "a list") -> tuple[Any, ...]:
        """The field as a tuple.

        Raises:
            DefinitionError: It is no list, or has no order.
        """
        given: Any = getattr(self, name)
        if not isinstance(given, (str, bytes, Mapping, AbstractSet)):
            with contextlib.suppress(TypeError):
                return tuple(given)
        raise self.error(f"{name} is {of}, not {given!r}.", asked=given, remedy=f"Give {name}=[...].")

    def one_of(self, name: str, choices: Sequence[str]) -> None:
        """Check that a field is one of a few words."""
        given = getattr(self, name)
        if given not in choices:
            raise self.error(
                f"{given!r} is not {_article(name)} {name}.",
                asked=given,
                available=choices,
                remedy="Choose one.",
            )


@dataclass(frozen=True)
class Versioned(Definition):
    """A definition whose versions live side by side.

    Attributes:
        version: A short text of letters, digits, `_`, `.` and `-`.
        is_active: Whether it is served and kept up to date.
    """

    _: KW_ONLY
    version: str = field(default="1", metadata=NOT_DATA)
    is_active: bool = field(default=True, metadata=METADATA)

    def __post_init__(self) -> None:
        """Check the version."""
        super().__post_init__()
        if not isinstance(self.version, str) or not _VERSION.fullmatch(self.version):
            raise self.error(
                f"{self.version!r} cannot be a version.",
                asked=self.version,
                remedy="Give a text of up to 32 letters, digits, '_', '.' and '-', like version=\"2\".",
            )
        if re.fullmatch(r"v\d+", self.version):
            raise self.error(
                f"the version {self.version!r} reads like {self.version[1:]!r}: references may add a v.",
                asked=self.version,
                remedy=f'Write version="{self.version[1:]}".',
            )
        if not isinstance(self.is_active, bool):
            raise self.error(f"is_active is True or False, not {self.is_active!r}.", asked=self.is_active)


def is_feature_name(text: str) -> bool:
    """Whether a text can name a feature or definition: an identifier without `__`, which joins full names."""
    return text.isidentifier() and "__" not in text


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
