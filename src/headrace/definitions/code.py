"""The source text of functions, and its hashes: how a registry knows a function without holding it."""

from __future__ import annotations

import ast
import hashlib
import linecache
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import FunctionType

__all__ = ["Code", "code_of"]


class Code(NamedTuple):
    """What is known of a function's text.

    Attributes:
        function: sha256 of the function's own text from `def` on, decorators aside, in UTF-8.
        module: sha256 of the bytes of the file it is written in.
    """

    function: str
    module: str


def code_of(function: FunctionType) -> Code:
    """The hashes of a function's source.

    The function's text is taken as written: comments and layout count, decorators, common indentation and
    trailing blanks do not.

    Raises:
        OSError: Its source is nowhere to be read, as for functions made by `exec` or typed into a bare
            prompt.
    """
    path = function.__code__.co_filename
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError):
        # Notebooks keep their cells in the line cache, under names that are no files.
        data = "".join(linecache.getlines(path)).encode()
    if not data:
        raise OSError(f"{path} cannot be read")
    text = data.decode()
    node = _find(ast.parse(text), function)
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    own = "\n".join(line.rstrip() for line in textwrap.dedent("\n".join(lines)).splitlines())
    return Code(hashlib.sha256(own.encode()).hexdigest(), hashlib.sha256(data).hexdigest())


def _find(tree: ast.Module, function: FunctionType) -> ast.FunctionDef:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == function.__code__.co_firstlineno:
                return node
    raise OSError(f"{function.__name__} is not where it was read")
