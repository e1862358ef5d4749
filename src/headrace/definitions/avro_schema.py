"""What an Avro schema must be, so that no message of it can do harm.

Readers of Avro go down as deep as a message says, and make as many items as it says. So types that hold
themselves are refused, and lists of items that take no bytes: a short message of those takes all the stack,
or all the memory.
"""

from __future__ import annotations

from typing import Any

__all__ = ["trouble_of"]

_PLAIN = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_NAMED = ("record", "error", "enum", "fixed")
_INSIDE = None
"""Stands for a type that is not wholly read yet."""


class _Trouble(Exception):  # noqa: N818 - it never leaves this module
    """What is wrong, in words."""


def trouble_of(schema: Any) -> str:
    """What is wrong with a schema of messages, in words; empty if nothing is.

    Args:
        schema: The schema, as `json.loads` gives it.
    """
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return "the schema is not that of a record."
    try:
        _takes_bytes(schema, "", {})
    except _Trouble as trouble:
        return str(trouble)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"the schema is malformed: {type(error).__name__} {error}."
    return ""


def _takes_bytes(schema: Any, space: str, known: dict[str, bool | None]) -> bool:
    """Whether every value of a type takes at least a byte.

    Args:
        schema: The type.
        space: The namespace it stands in.
        known: The same of the named types that came before, `_INSIDE` while one is read.
    """
    if isinstance(schema, str):
        return _of_name(schema, space, known)
    if isinstance(schema, list):
        for each in schema:
            _takes_bytes(each, space, known)
        return True  # which of them it is
    kind = schema["type"]
    if kind not in (*_NAMED, "array", "map"):
        return _takes_bytes(kind, space, known)
    if kind in {"array", "map"}:
        if (
            not _takes_bytes(schema["items" if kind == "array" else "values"], space, known)
            and kind == "array"
        ):
            raise _Trouble("a list holds items that take no bytes.")
        return True
    name, space = _full(schema["name"], schema.get("namespace", space))
    known[name] = _INSIDE
    if kind == "enum":
        known[name] = True
    elif kind == "fixed":
        known[name] = schema["size"] > 0
    else:
        fields = [_takes_bytes(each["type"], space, known) for each in schema["fields"]]
        known[name] = any(fields)
    return bool(known[name])


def _of_name(name: str, space: str, known: dict[str, bool | None]) -> bool:
    if name in _PLAIN:
        return name != "null"
    found = _full(name, space)[0]
    if found not in known:
        raise _Trouble(f"the schema names a type that is not there: {name}.")
    takes = known[found]
    if takes is _INSIDE:
        raise _Trouble(f"type {name} holds itself.")
    return takes


def _full(name: str, space: str) -> tuple[str, str]:
    """A type's full name, and the namespace that it makes."""
    if "." in name:
        return name, name.rpartition(".")[0]
    return (f"{space}.{name}" if space else name), space
