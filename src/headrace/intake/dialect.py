"""What may stand in a row-level expression: one scalar of DuckDB's SQL, decided by the row alone.

DuckDB's own parser reads the text; what is evaluated is written back from the tree that was checked, so
nothing can hide between the two. A function is let in when DuckDB calls it CONSISTENT, and is right.
"""

from __future__ import annotations

import difflib
import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from headrace.errors import DefinitionError
from headrace.intake.locked import connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Node: TypeAlias = dict[str, Any]

__all__ = ["Parsed", "Place", "parse"]

_SCALARS = {
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION",
    "LAMBDA", "OPERATOR", "TYPE",
}  # fmt: skip
"""The classes of DuckDB's expressions that are decided by a row."""

_OTHERS = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
    "DEFAULT": "DEFAULT",
    "POSITIONAL_REFERENCE": "a positional reference",
}

_BARE_SELECT = {"type", "cte_map", "select_list", "from_table", "aggregate_handling"}
"""What the parser says of `SELECT expression` and nothing more."""

_CLOCKS = {
    "current_localtime", "current_localtimestamp", "current_time", "current_timestamp", "localtime",
    "localtimestamp",
}  # fmt: skip
"""What reads the clock though DuckDB calls it consistent, or no function."""

_CLOCK_WITH_ONE_ARGUMENT = {"age"}
"""Functions that read the clock when they are given one argument only."""


class Place(NamedTuple):
    """What an expression is and where it is written, for error texts.

    Attributes:
        what: `where`, `column 'hour'`, ...
        text: The expression.
        written: File and line.
    """

    what: str
    text: str
    written: str = ""

    def error(
        self, message: str, *, asked: object = None, available: Iterable[str] = (), remedy: str = ""
    ) -> DefinitionError:
        """A DefinitionError that names the expression and where it is written."""
        where = f"{self.written}: " if self.written else ""
        asked = self.text if asked is None else asked
        return DefinitionError(
            f"{where}{self.what}, {self.text!r}: {message}", asked=asked, available=available, remedy=remedy
        )


class Parsed(NamedTuple):
    """A checked expression.

    Attributes:
        sql: What is evaluated: the expression written back, `local` resolved.
        reads: The columns it reads, as the schema spells them.
        local: Whether it reads a local time.
    """

    sql: str
    reads: frozenset[str]
    local: bool


def parse(place: Place, columns: Iterable[str], zone: str) -> Parsed:
    """Check an expression as far as names go; types are the binder's business.

    Args:
        place: The expression.
        columns: The columns it may read. As in SQL, case does not matter.
        zone: The IANA zone of `local(ts)`: the local wall time of an instant, a TIMESTAMP.

    Raises:
        DefinitionError: It does not parse, is more than one scalar, reads an unknown column, or its value is
            not decided by the row.
    """
    checking = _Checking(place, {name.casefold(): name for name in columns}, zone)
    tree = _tree(place)
    checking.walk(_selected(tree), frozenset())
    return Parsed(_written(tree), frozenset(checking.reads), checking.local)


def _parsed(statement: str) -> Node:
    """What DuckDB's parser makes of a statement."""
    found = connect().execute("SELECT json_serialize_sql($1)", [statement]).fetchone()
    tree: Node = json.loads(found[0]) if found else {}
    return tree


def _written(tree: Node) -> str:
    """The expression of a tree as SQL."""
    found = connect().execute("SELECT json_deserialize_sql($1::JSON)", [json.dumps(tree)]).fetchone()
    return str(found[0]).removeprefix("SELECT ") if found else ""


def _selected(tree: Node) -> Node:
    expression: Node = tree["statements"][0]["node"]["select_list"][0]
    return expression


def _tree(place: Place) -> Node:
    """The tree of a text that is one expression and nothing else."""
    if not isinstance(place.text, str):
        raise place.error("an expression is a text.", remedy="Write SQL, for example \"event = 'click'\".")
    if not place.text.strip():
        raise place.error("it is empty.", remedy="Leave it out, or write an expression.")
    tree = _parsed(f"SELECT {place.text}")
    if tree["error"] and tree["error_type"] == "parser":
        raise place.error(f"{tree['error_message']}.", remedy="Write one scalar SQL expression.")
    if tree["error"] or len(tree["statements"]) > 1:
        raise place.error("it holds more than one statement.", remedy="Write one scalar SQL expression.")
    select = tree["statements"][0]["node"]
    more = [name for name, value in select.items() if name not in _BARE_SELECT and value]
    if (
        more
        or select["cte_map"]["map"]
        or select["from_table"]["type"] != "EMPTY"
        or len(select["select_list"]) > 1
        or _selected(tree)["alias"]
    ):
        raise place.error(
            "it is more than one expression.",
            remedy="Write the expression alone: no list, alias, FROM, WHERE or ORDER BY.",
        )
    return tree


class _Checking:
    """One walk over an expression's tree; replaces `local` on its way."""

    def __init__(self, place: Place, columns: Mapping[str, str], zone: str) -> None:
        self.place = place
        self.columns = columns
        self.zone = zone
        self.reads: set[str] = set()
        self.local = False

    def walk(self, node: Node, bound: frozenset[str]) -> None:
        """Check a node and what is below it; `bound` are the parameters of the lambdas around it."""
        kind = node.get("class", "")
        if kind and kind not in _SCALARS:
            raise self.place.error(f"{_OTHERS.get(kind, kind)} is not a value of the row.", remedy=_ALLOWED)
        if kind == "COLUMN_REF":
            self._column(node["column_names"], bound)
        elif kind == "LAMBDA":
            self._lambda(node, bound)
        else:
            if kind == "FUNCTION":
                self._function(node, bound)
            elif node.get("type") == "GROUPING_FUNCTION":
                raise self.place.error("an aggregate is not a value of the row.", remedy=_ALLOWED)
            for child in _children(node):
                self.walk(child, bound)

    def _column(self, path: list[str], bound: frozenset[str]) -> None:
        if path[0].casefold() in bound:
            return
        name = self.columns.get(path[0].casefold())
        if len(path) == 1 and name is not None:
            self.reads.add(name)
            return
        asked = ".".join(path)
        if len(path) == 1 and not _decided_by_row(path[0].casefold()):
            raise self.place.error(f"{asked} is not decided by the row.", asked=asked, remedy=_ALLOWED)
        near = difflib.get_close_matches(asked, self.columns.values(), n=5, cutoff=0.5)
        raise self.place.error(
            f"there is no column {asked!r}.",
            asked=asked,
            available=near or sorted(self.columns.values())[:8],
            remedy=f"Did you mean {near[0]!r}?" if near else "Texts are written in single quotes.",
        )

    def _lambda(self, node: Node, bound: frozenset[str]) -> None:
        if node.get("syntax_type") == "SINGLE_ARROW":
            raise self.place.error(
                "-> has two meanings.",
                remedy="Write lambda x: ... for a function, json_extract(...) for JSON.",
            )
        left = node["lhs"]
        names = (
            [left] if left["class"] == "COLUMN_REF" else [each["expression"] for each in left["arguments"]]
        )
        self.walk(node["expr"], bound | {name["column_names"][0].casefold() for name in names})

    def _function(self, node: Node, bound: frozenset[str]) -> None:
        *receiver, name = node["qualified_name"]["path"]
        arguments = node.get("arguments", [])
        if receiver:  # column.function(...): the column is the first argument
            self._column(receiver, bound)
            arguments = [{"expression": _column_node(receiver)}, *arguments]
        name = name.casefold()
        if name == "local":
            self._resolve_local(node, arguments)
            return
        kind = _functions().get(name)
        if kind is None:
            near = difflib.get_close_matches(name, _functions(), n=5, cutoff=0.6)
            raise self.place.error(
                f"there is no function {name!r}.",
                asked=name,
                available=near,
                remedy="See DuckDB's list of scalar functions.",
            )
        if kind in {"aggregate", "window"} or node["filter"]:
            raise self.place.error(
                f"{name}() is an aggregate.",
                asked=name,
                remedy="Aggregate with hr.agg; an expression sees one row.",
            )
        if kind in {"table", "table_macro", "pragma"}:
            raise self.place.error(
                f"{name}() yields rows, not a value.",
                asked=name,
                remedy="An expression sees one row and yields one value.",
            )
        clock = name in _CLOCK_WITH_ONE_ARGUMENT and len(arguments) == 1
        if clock or not _decided_by_row(name):
            raise self.place.error(f"{name}() is not decided by the row.", asked=name, remedy=_ALLOWED)

    def _resolve_local(self, node: Node, arguments: list[Node]) -> None:
        """Put `timezone(zone, CAST(x AS TIMESTAMPTZ))` in the place of `local(x)`."""
        if len(arguments) != 1:
            raise self.place.error(
                "local() takes one instant.", asked="local", remedy="Write local(ts), for example."
            )
        if self.zone.casefold() not in _zones():
            raise self.place.error(
                f"DuckDB knows no time zone {self.zone!r}.",
                asked=self.zone,
                remedy="Use an IANA name: Europe/Paris.",
            )
        self.local = True
        new = _selected(_parsed("SELECT timezone('', CAST(x AS TIMESTAMPTZ))"))
        zone, cast = (each["expression"] for each in new["arguments"])
        zone["literal"]["text"] = self.zone
        cast["child"] = arguments[0]["expression"]
        node.clear()
        node.update(new)


_ALLOWED = "An expression is one scalar over the row's columns, the same whenever it is evaluated."


def _column_node(path: list[str]) -> Node:
    node = _selected(_parsed("SELECT x"))
    node["column_names"] = path
    return node


def _children(node: Any) -> Iterable[Node]:
    """The nearest expressions below a node."""
    values = node.values() if isinstance(node, dict) else node
    for value in values:
        if isinstance(value, dict) and "class" in value:
            yield value
        elif isinstance(value, dict | list):
            yield from _children(value)


@functools.cache
def _functions() -> Mapping[str, str]:
    """The kind of every function by its name; what may be a scalar is one."""
    sql = "SELECT DISTINCT lower(function_name), function_type FROM duckdb_functions()"
    kinds: dict[str, str] = {}
    for name, kind in connect().execute(sql).fetchall():
        if kinds.get(name) not in {"scalar", "macro"}:
            kinds[name] = kind
    return kinds


@functools.cache
def _zones() -> frozenset[str]:
    """The time zones DuckDB knows, without case."""
    return frozenset(
        name.casefold() for (name,) in connect().execute("SELECT name FROM pg_timezone_names()").fetchall()
    )


@functools.cache
def _wavering() -> frozenset[str]:
    """Functions whose value may differ between two calls with the same arguments."""
    sql = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    return frozenset(_CLOCKS | {name for (name,) in connect().execute(sql).fetchall()})


@functools.cache
def _decided_by_row(name: str) -> bool:
    """Whether a function's value depends on its arguments alone; a macro's, if all it calls does."""
    if name in _wavering() or name.startswith("__"):
        return False
    sql = (
        "SELECT macro_definition, parameters FROM duckdb_functions() "
        "WHERE lower(function_name) = $1 AND function_type = 'macro'"
    )
    for definition, parameters in connect().execute(sql, [name]).fetchall():
        try:
            parse(Place(name, definition), parameters, "UTC")
        except DefinitionError:
            return False
    return True
