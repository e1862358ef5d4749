"""What drawn cases are made of: values, instants, windows, conditions and derived columns worth trying."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from headrace.clock import DAY, SECOND
from headrace.schema import INT64, STRING, Schema, Type
from headrace.windows import Calendar, Lifetime, Series, Window, calendar, duration, series, window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "BASES",
    "COLUMNS",
    "CONDITIONS",
    "DERIVED",
    "KEYS",
    "SCALES",
    "VALUES",
    "Expression",
    "Pool",
    "Scale",
    "moments",
]

KEYS: Mapping[str, str] = {
    "user": "string",
    "item": "int64",
    "ts": "timestamp",
    "received": "timestamp",
    "event": "string",
}
"""Columns that carry identity and time."""

COLUMNS: Mapping[str, str] = {
    "amount": "int64",
    "price": "decimal(12,4)",
    "cost": "decimal(18,9)",
    "score": "double",
    "word": "string",
    "flag": "bool",
    "seen": "timestamp",
    "day": "date",
    "raw": "binary",
}
"""Columns that carry values."""


class Pool(NamedTuple):
    """Values of a type.

    Attributes:
        usual: Few, so that they meet again; the first is the hot one where they are keys.
        vile: The ends of the type.
        unseen: A key no event has.
    """

    usual: tuple[Any, ...]
    vile: tuple[Any, ...] = ()
    unseen: Any = None


VALUES: Mapping[str, Pool] = {
    "int64": Pool((1, 0, -1, 2, 3, 7, -(2**32), 2**31), (2**63 - 1, -(2**63), 2**62, -(2**53) - 1), -12345),
    "double": Pool(
        (0.0, 1.0, -1.0, 0.1, 0.2, 1e9 + 0.5, -3.75, 1e-9),
        (1.7976931348623157e308, -1e308, 5e-324, 1e16, -1e150),
    ),
    "string": Pool(
        ("a", "b", "", "é", "e\u0301", "\ufb01", "\U0001f600", "a\x00", "user:1|2"), ("x" * 300,), "nobody"
    ),
    "decimal": Pool(
        tuple(Decimal(text) for text in ("0", "1", "-0.0001", "0.5", "1.25", "-7.5")),
        (Decimal("99999999.9999"), Decimal("-99999999.9999")),
    ),
    "bool": Pool((True, False)),
    "timestamp": Pool((0, 1_700_000_000_000_000, -1, 1), (-62_135_596_800_000_000, 253_402_300_799_999_999)),
    "date": Pool((dt.date(2024, 2, 29), dt.date(1970, 1, 1), dt.date(1969, 12, 31)), (dt.date(1, 1, 1),)),
    "binary": Pool((b"", b"\x00", b"\xff", b"a", b"\x00\xff"), (b"\xfe" * 300,)),
}
"""Type name -> values worth trying."""


def _instants(*texts: str) -> tuple[int, ...]:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return tuple((dt.datetime.fromisoformat(text) - epoch) // dt.timedelta(microseconds=1) for text in texts)


BASES: Mapping[str, tuple[int, ...]] = {
    "UTC": _instants(
        "2024-02-29T12:00:00Z", "2024-03-31T23:58:20Z", "1970-01-01T00:00:00Z", "1969-12-31T12:34:56.789Z"
    ),
    "Europe/Berlin": _instants("2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z", "1969-12-31T23:00:00Z"),
    "America/Sao_Paulo": _instants("2018-11-04T03:00:00Z", "2018-02-18T02:00:00Z", "2026-01-31T12:00:00Z"),
    "America/St_Johns": _instants("2010-11-07T02:31:00Z", "2010-03-14T03:31:00Z"),
    "Asia/Kathmandu": _instants("1985-12-31T18:30:00Z", "1969-12-31T18:30:00Z"),
    "Africa/Monrovia": _instants("1972-01-07T00:44:30Z", "1971-02-28T12:00:00Z"),
    "Pacific/Apia": _instants(
        "2011-12-30T10:00:00Z",
    ),
}
"""Zone -> instants around which its calendar, or everybody's, does something odd."""

Period: TypeAlias = Literal["day", "week", "month"]


class Scale(NamedTuple):
    """Windows of about one length, so that few events fall into many of them.

    Attributes:
        length: About how long they are, microseconds.
        hop: About how far they hop.
        windows: Kind of window -> windows worth trying.
    """

    length: int
    hop: int
    windows: Mapping[str, tuple[Window, ...]]


def _scale(length: str, hop: str, *periods: Period, more: tuple[Window, ...] = ()) -> Scale:
    """Windows of a length with its default hop, with the finest, and with one that does not divide it."""
    longer = f"{duration(length) // SECOND * 3 // 2}s"
    sizes = duration(length), duration(hop)
    return Scale(
        *sizes,
        {
            "sliding": (window(length), window(longer, hop=hop), window(length, hop="1s"), *more),
            "shifted": (
                window(length, offset=hop),
                window(length, offset=length),
                window(longer, hop=hop, offset=f"{sizes[1] // SECOND * 2}s"),
            ),
            "series": (series(length, 3), series(length, 2, hop=hop), series(length, 1)),
            "calendar": tuple(calendar(period) for period in periods),
            "earlier": tuple(calendar(period, offset) for period in periods for offset in (1, 2)),
            "lifetime": (Lifetime(),),
        },
    )


SCALES: Mapping[str, Scale] = {
    "seconds": _scale("15s", "5s", "day", more=(window("12s"),)),
    "minutes": _scale("5m", "1m", "day"),
    "hours": _scale("1h", "5m", "day", more=(window("90m", hop="1h"),)),
    "days": _scale("1d", "1h", "day", "week", more=(window("7d"),)),
    "months": _scale("30d", "1d", "week", "month"),
}
"""Windows worth trying together."""


def moments(of: Window) -> tuple[int, ...]:
    """How long after an event a window roughly begins or ceases to hold it, microseconds."""
    if isinstance(of, Lifetime):
        return (0,)
    if isinstance(of, Calendar):
        days = {"day": 1, "week": 7, "month": 30}[of.unit]
        return tuple(step * days * DAY for step in (of.offset, of.offset + 1))
    if isinstance(of, Series):
        return tuple(step * of.each.length for step in (1, of.n - 1, of.n))
    return (of.offset, of.offset + of.length, of.offset + of.length + of.hop)


class Expression(NamedTuple):
    """A row-level expression, in SQL and in Python.

    Attributes:
        sql: DuckDB's scalar SQL.
        type: Its type.
        columns: What it reads.
        of: Its value for a row; None for null.
    """

    sql: str
    type: Type
    columns: tuple[str, ...]
    of: Callable[[Mapping[str, Any]], Any]

    def reads(self, schema: Schema) -> bool:
        """Whether all that it reads is there."""
        return all(column in schema for column in self.columns)


def _strict(function: Callable[..., Any], *columns: str) -> Callable[[Mapping[str, Any]], Any]:
    """The function of some columns, null where any of them is."""

    def value(row: Mapping[str, Any]) -> Any:
        given = [row[column] for column in columns]
        return None if any(each is None for each in given) else function(*given)

    return value


def _cheap_or_flagged(row: Mapping[str, Any]) -> bool | None:
    """SQL's OR: TRUE wins over null, null over FALSE."""
    sides = [None if row["price"] is None else row["price"] < Decimal("0.5"), row["flag"]]
    if True in sides:
        return True
    return None if None in sides else False


_BOOL = Type("bool")

CONDITIONS: Mapping[str, Expression] = {
    each.sql: each
    for each in (
        Expression("flag", _BOOL, ("flag",), _strict(bool, "flag")),
        Expression("amount > 0", _BOOL, ("amount",), _strict(lambda amount: amount > 0, "amount")),
        Expression("word <> 'a'", _BOOL, ("word",), _strict(lambda word: word != "a", "word")),
        Expression(
            "score is null or score < 1.0",
            _BOOL,
            ("score",),
            lambda r: r["score"] is None or r["score"] < 1.0,
        ),
        Expression("price < 0.5 or flag", _BOOL, ("price", "flag"), _cheap_or_flagged),
        Expression("cost >= 1 and 1 = 1", _BOOL, ("cost",), _strict(lambda cost: cost >= 1, "cost")),
        Expression(
            "day < date '2000-01-01'", _BOOL, ("day",), _strict(lambda day: day < dt.date(2000, 1, 1), "day")
        ),
    )
}
"""SQL -> conditions for `where`."""

DERIVED: Mapping[str, Expression] = {
    "third": Expression(
        "amount % 3", INT64, ("amount",), _strict(lambda x: abs(x) % 3 * (1 if x >= 0 else -1), "amount")
    ),
    "spread": Expression(
        "price - cost",
        Type("decimal", 18, 9),
        ("price", "cost"),
        _strict(lambda price, cost: price - cost, "price", "cost"),
    ),
    "trebled": Expression(
        "price * 3", Type("decimal", 18, 4), ("price",), _strict(lambda price: price * 3, "price")
    ),
    "tagged": Expression("word || '!'", STRING, ("word",), _strict(lambda word: word + "!", "word")),
}
"""Name -> derived columns."""
