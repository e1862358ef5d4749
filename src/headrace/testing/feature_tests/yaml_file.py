"""Feature tests in YAML.

PyYAML only finds the nodes and their lines; no node becomes a Python object but by the few lines below. Plain
words are read as YAML 1.2 reads them: `no` is a text, not false, and an instant stays as it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from headrace.errors import DefinitionError, StoreError
from headrace.testing.feature_tests.case import FeatureTest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_yaml"]

_SHARED = {"view", "service", "events", "entity", "context", "at", "as_of", "tolerance", "online"}
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DOUBLES = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_TEXT = "tag:yaml.org,2002:str"


def read_yaml(path: Path, shown: str) -> list[FeatureTest]:
    """The feature tests of a file: a mapping whose `tests` lists them; what stands beside holds for all.

    Args:
        path: The file.
        shown: What it is called in messages.

    Raises:
        StoreError: It cannot be read.
        DefinitionError: It is not YAML, or what it says is no feature test; the text names the line.
        DataError: An instant is none.
    """
    import yaml

    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}.", asked=path, remedy="Make it readable."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DefinitionError(
            f"{shown}{line}: this is not YAML: {reason}.", asked=path, remedy="Mend the line."
        ) from None
    return _File(shown).tests(root)


class _File:
    """Makes feature tests of the nodes of one file."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def tests(self, root: Any) -> list[FeatureTest]:
        items = self._items(root) if getattr(root, "id", "") == "mapping" else {}
        if "tests" not in items or items["tests"].id != "sequence":
            raise self._error(
                root, "there are no feature tests", "Write tests: and below it a list of feature tests."
            )
        shared = {}
        for name, node in items.items():
            if name != "tests" and name not in _SHARED:
                raise self._error(
                    node, f"{name!r} means nothing here", f"Beside tests: stand {', '.join(sorted(_SHARED))}."
                )
            if name != "tests":
                shared[name] = self._value(node)
        found = []
        for node in items["tests"].value:
            given = self._value(node)
            if not isinstance(given, dict):
                raise self._error(node, "this is no feature test", "Write - name: ... and below it the rest.")
            whole = {**shared, **given}
            if isinstance(given.get("expected"), list):  # its rows say who asks when
                whole = {name: value for name, value in whole.items() if name in given or name not in _ASKING}
            found.append(FeatureTest.read(whole, f"{self._shown}:{node.start_mark.line + 1}"))
        return found

    def _value(self, node: Any, above: tuple[Any, ...] = ()) -> Any:
        if node in above:
            raise self._error(node, "an anchor holds itself", "Write it out.")
        match node.id:
            case "mapping":
                items = self._items(node)
                return {name: self._value(value, (*above, node)) for name, value in items.items()}
            case "sequence":
                return [self._value(value, (*above, node)) for value in node.value]
            case _:
                return _scalar(node)

    def _items(self, node: Any, above: tuple[Any, ...] = ()) -> dict[Any, Any]:
        """The nodes of a mapping by key; those merged by `<<` come after its own."""
        found: dict[Any, Any] = {}
        merged: list[Any] = []
        for key, value in node.value:
            if key.id != "scalar":
                raise self._error(key, "a key is no word", "Write a word before the colon.")
            name = _scalar(key)
            if name == "<<" and not key.style:
                merged += value.value if value.id == "sequence" else [value]
            elif name in found:
                raise self._error(key, f"{name!r} is there twice", "Leave one out.")
            else:
                found[name] = value
        for each in merged:
            if each.id != "mapping" or each in (*above, node):
                raise self._error(
                    each, "<< merges mappings", "Name the anchor of another mapping: <<: *name."
                )
            found = {**self._items(each, (*above, node)), **found}
        return found

    def _error(self, node: Any, what: str, remedy: str) -> DefinitionError:
        line = node.start_mark.line + 1 if node is not None else 1
        return DefinitionError(f"{self._shown}:{line}: {what}.", asked=self._shown, remedy=remedy)


_ASKING = {"at", "entity", "context"}


def _is_tagged_text(node: Any) -> bool:
    """Whether a plain word is called a text, as in `!!str 12`; most texts PyYAML tags so by itself."""
    from yaml.resolver import Resolver

    return bool(node.tag == _TEXT != Resolver().resolve(type(node), node.value, (True, False)))


def _scalar(node: Any) -> Any:
    """A word: a number, null or a boolean where it is plain and looks like one, else a text."""
    text: str = node.value
    if node.style or _is_tagged_text(node):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text.lower() in _DOUBLES:
        return float(_DOUBLES[text.lower()])
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return float(text) if found[2] or found[3] or text.lstrip("+-").startswith(".") else int(text)
