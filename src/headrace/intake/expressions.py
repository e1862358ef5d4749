"""Row-level expressions: DuckDB's scalar SQL, checked against a frozen schema without any data.

`local(ts)` is the local wall time of an instant in the zone of the expression (a TIMESTAMP; a naive time is
UTC), so `date_part('hour', local(ts))` is the hour a person there reads on the wall. Derived columns may read
one another, in any order. A result is brought to one of the column types: whole numbers become int64, floats
double, decimals keep their scale in at most 18 digits, a timestamp without a zone is UTC. A value that does
not fit fails like any other expression that fails on a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.errors import DefinitionError
from headrace.intake.dialect import Place, parse
from headrace.intake.locked import connect, quoted, selection
from headrace.schema import BINARY, BOOL, DATE, DOUBLE, INT64, LARGEST_PRECISION, STRING, TIMESTAMP, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb.sqltypes import DuckDBPyType

__all__ = ["Bound", "bind_all", "check_condition", "derived_types", "first_line"]

_TYPES = {
    "varchar": STRING, "enum": STRING, "uuid": STRING,
    "tinyint": INT64, "smallint": INT64, "integer": INT64, "bigint": INT64, "hugeint": INT64,
    "utinyint": INT64, "usmallint": INT64, "uinteger": INT64, "ubigint": INT64, "uhugeint": INT64,
    "float": DOUBLE, "double": DOUBLE, "boolean": BOOL, "date": DATE, "blob": BINARY,
    "timestamp": TIMESTAMP, "timestamp_s": TIMESTAMP, "timestamp_ms": TIMESTAMP,
    "timestamp with time zone": TIMESTAMP,
}  # fmt: skip
"""Column types by the names of DuckDB's."""


_NESTED = {"decimal", "list", "array"}


class Bound(NamedTuple):
    """An expression that fits its columns.

    Attributes:
        name: What its value is called.
        sql: What is evaluated, cast to its type.
        type: The type of its value.
        reads: The columns and other expressions it reads.
        local: Whether it reads a local time itself.
    """

    name: str
    sql: str
    type: Type
    reads: frozenset[str]
    local: bool


def derived_types(
    schema: Mapping[str, Type], columns: Mapping[str, str], zone: str = "UTC", written: str = ""
) -> dict[str, Type]:
    """The types of derived columns.

    Args:
        schema: The source's frozen schema.
        columns: Names and expressions; they may read the schema's columns and one another.
        zone: The IANA zone of `local(ts)`.
        written: File and line of the definition.

    Raises:
        DefinitionError: An expression is not one scalar over the row's columns, its type is no column type,
            or derived columns read each other in a circle.
    """
    bound = bind_all(schema, columns, zone, written)
    return {name: bound[name].type for name in columns}


def check_condition(where: str, types: Mapping[str, Type], zone: str = "UTC", written: str = "") -> None:
    """Check that a `where` is TRUE, FALSE or null on each row.

    Args:
        where: The condition.
        types: The columns it may read, derived ones included.
        zone: The IANA zone of `local(ts)`.
        written: File and line of the definition.

    Raises:
        DefinitionError: It is no boolean scalar over the row's columns.
    """
    place = Place("where", where, written)
    of = _bind("where", place, types, zone).type
    if of != BOOL:
        raise place.error(
            f"its type is {of}, not bool.",
            remedy="Compare it with something: the result is TRUE, FALSE or null.",
        )


def bind_all(
    schema: Mapping[str, Type], expressions: Mapping[str, str], zone: str, written: str = ""
) -> dict[str, Bound]:
    """Bind expressions that may read one another, each after those it reads.

    Raises:
        DefinitionError: As in `derived_types`.
    """
    _check_names(schema, expressions, written)
    places = {name: Place(f"column {name!r}", text, written) for name, text in expressions.items()}
    reads = {name: parse(place, [*schema, *expressions], zone).reads for name, place in places.items()}
    bound: dict[str, Bound] = {}
    types = dict(schema)
    for name in _in_order(reads, places):
        bound[name] = _bind(name, places[name], types, zone)
        types[name] = bound[name].type
    return bound


def _check_names(schema: Mapping[str, Type], expressions: Mapping[str, str], written: str) -> None:
    """SQL does not tell names apart by case; neither may a schema whose columns are read by SQL."""
    seen: dict[str, str] = {}
    for name in [*schema, *expressions]:
        other = seen.setdefault(name.casefold(), name)
        if other is not name:
            where = f"{written}: " if written else ""
            raise DefinitionError(
                f"{where}the columns {other!r} and {name!r} cannot be told apart in SQL.",
                asked=name,
                remedy="Rename one of them.",
            )


def _in_order(reads: Mapping[str, frozenset[str]], places: Mapping[str, Place]) -> list[str]:
    """The names so that each comes after those it reads."""
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise places[name].error(
                f"it reads itself: {circle}.", asked=name, remedy="Write one of them without the others."
            )
        if name not in done:
            for other in sorted(reads[name] & reads.keys()):
                visit(other, (*path, name))
            done.append(name)

    for name in reads:
        visit(name, ())
    return done


def _bind(name: str, place: Place, types: Mapping[str, Type], zone: str) -> Bound:
    import duckdb

    parsed = parse(place, types, zone)
    nulls = [f"CAST(NULL AS {types[each].sql()}) AS {quoted(each)}" for each in sorted(parsed.reads)]
    empty = f"(SELECT {', '.join(nulls) or 'NULL'})"
    try:
        (found,) = connect().sql(selection(f"{parsed.sql} AS value", empty)).types
    except duckdb.Error as error:
        raise place.error(f"{first_line(error)}.", remedy="Check the names and types in it.") from None
    of = _type_of(found)
    if of is None:
        raise place.error(
            f"its value is a {found}, which no column can hold.",
            asked=found,
            remedy="Cast it to a type of your choice: CAST(... AS BIGINT), for example.",
        )
    return Bound(name, f"CAST({parsed.sql} AS {of.sql()})", of, parsed.reads, parsed.local)


def _type_of(found: DuckDBPyType) -> Type | None:
    """The column type of a DuckDB type; None where there is none."""
    children: list[Any] = [child for _, child in found.children] if found.id in _NESTED else []
    if found.id == "decimal":
        precision, scale = children
        if precision > LARGEST_PRECISION and scale > LARGEST_PRECISION // 2:
            return None  # hardly a digit would be left before the point
        return Type("decimal", min(precision, LARGEST_PRECISION), scale)
    if found.id in _NESTED:
        item = _type_of(children[0])
        return Type("list", items=(item,)) if item else None
    return _TYPES.get(found.id)


def first_line(error: Exception) -> str:
    """DuckDB's message without its prefix, the statement repeated, and advice that is none here."""
    line = str(error).split("\n", 1)[0].split(". Use TRY(", 1)[0].rstrip(".!")
    return line.split("Error: ", 1)[-1]
