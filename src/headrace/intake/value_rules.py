"""Rules that look at one value at a time: the same for columns of a source and for values of a feature.

Whole columns are judged at once. A value that is null breaks no rule but not_null.
"""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

from headrace.clock import DAY, instant
from headrace.errors import DataError
from headrace.intake.casts import cast_all, castable
from headrace.intake.numbers import data_of, valid_of
from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa
from headrace.schema import DOUBLE, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.schema import Type

    Failing = Callable[[pa.Array], Array | None]

__all__ = ["ValueRule", "bounds_of", "rule_name"]

_SHOWN = 5
"""How many of an enum's values a reason names."""

_ASCII_SPACE, _ASCII_END = 0x20, 0x7F


def rule_name(rule: Rule) -> str:
    """What a rule is called in quarantine, failures and counts: `range(price)`, `custom(paid)`."""
    return f"{rule.kind}({rule.arguments['name'] if rule.kind == 'custom' else rule.column})"


class ValueRule:
    """One rule over values of one type.

    Attributes:
        rule: The rule.
        of: The type of the values.
        name: What it is called.
        reason: Why a value breaks it, with `{value}` where the value stands.
    """

    def __init__(self, rule: Rule, of: Type, what: str) -> None:
        """Prepare.

        Args:
            rule: not_null, range, enum, type or regex.
            of: The type of the values.
            what: What has the values, for reasons: `column 'price'`.

        Raises:
            DefinitionError: The rule does not fit the type.
        """
        self.rule, self.of = rule, of
        self.name = rule_name(rule)
        self._failing, complaint = _MAKERS[rule.kind](rule, of)
        words = f" ({rule.description})" if rule.description else ""
        self.reason = f"{what}: {{value}} {complaint}{words}"

    def failing(self, values: pa.Array) -> Array | None:
        """Which values break the rule, bool; None where none does.

        Args:
            values: n values of the type.
        """
        found = self._failing(values)
        return found if found is not None and found.any() else None


def _not_null(_: Rule, of: Type) -> tuple[Failing, str]:
    if of.name == "string":
        return _blank, "is missing or blank"
    return _null, "is missing"


def _null(values: pa.Array) -> Array | None:
    valid = valid_of(values)
    return None if valid is None else ~valid


def _blank(values: pa.Array) -> Array | None:
    """Texts that are null or nothing but white space; only those that begin with some are looked at whole."""
    null = _null(values)
    if not len(values):
        return null
    _, places, data = values.buffers()
    offsets = np.frombuffer(places, np.int32)[values.offset : values.offset + len(values) + 1]
    starts = offsets[:-1]
    empty: Array = offsets[1:] == offsets[:-1]
    if data is None or not data.size:
        return empty if null is None else empty | null
    first = np.frombuffer(data, np.uint8)[np.minimum(starts, data.size - 1)]
    suspect = np.flatnonzero(((first <= _ASCII_SPACE) | (first >= _ASCII_END)) & ~empty)
    blank: Array = empty
    if len(suspect):
        trimmed = pc.binary_length(pc.utf8_trim_whitespace(values.take(pa.array(suspect))))
        blank[suspect] = pc.fill_null(pc.equal(trimmed, 0), fill_value=True).to_numpy(zero_copy_only=False)
    return blank if null is None else blank | null


def _range(rule: Rule, of: Type) -> tuple[Failing, str]:
    low, high = rule.arguments.get("min"), rule.arguments.get("max")
    lowest, highest = bounds_of(rule, of)
    match (low, high):
        case (_, None):
            complaint = f"is not at least {low}"
        case (None, _):
            complaint = f"is not at most {high}"
        case _:
            complaint = f"is not between {low} and {high}"
    if of.name == "decimal":
        return _decimals_outside(lowest, highest, of), complaint
    bits = {"double": np.float64, "date": np.int32}.get(of.name, np.int64)

    def outside(values: pa.Array) -> Array | None:
        data = data_of(values, bits)
        inside = np.ones(len(data), dtype=bool) if lowest is None else data >= lowest
        if highest is not None:
            inside &= data <= highest  # NaN is neither
        return _valid_only(~inside, values) if not inside.all() else None

    return outside, complaint


def bounds_of(rule: Rule, of: Type) -> tuple[Any, Any]:
    """The least and the greatest value of a range as values lie in memory, decimals as such; None for none.

    Raises:
        DefinitionError: A bound is none for values of the type.
    """
    low, high = rule.arguments.get("min"), rule.arguments.get("max")
    lowest = None if low is None else _bound(rule, of, low, ROUND_CEILING)
    return lowest, None if high is None else _bound(rule, of, high, ROUND_FLOOR)


def _bound(rule: Rule, of: Type, bound: Any, rounding: str) -> Any:
    """A bound as the type's values lie in memory; of a decimal as a decimal of its scale.

    Raises:
        DefinitionError: It is no bound for values of the type.
    """
    is_time = of.name in {"timestamp", "date"}
    if not (is_time or of.is_number):
        raise rule.error(
            f"values of type {of} have no order it could tell.",
            asked=str(of),
            available=["int64", "double", "decimal", "timestamp", "date"],
            remedy="Use enum, regex or custom.",
        )
    try:
        if is_time:
            at = instant(bound if isinstance(bound, str) else "")
            if of.name == "timestamp":
                return at
            return -(-at // DAY) if rounding == ROUND_CEILING else at // DAY
        exact = Decimal(str(bound))
    except (DataError, ValueError, ArithmeticError):
        wanted = "a date or time as text" if is_time else "a number"
        raise rule.error(f"{bound!r} is no bound for {of}.", asked=bound, remedy=f"Give {wanted}.") from None
    if of.name == "double":
        return float(exact)
    if of.name == "int64":
        # An integer is at least 0.5 if and only if it is at least 1.
        whole = int(exact.to_integral_value(rounding=rounding))
        return max(min(whole, (1 << 63) - 1), -(1 << 63))
    return exact.quantize(Decimal(1).scaleb(-of.scale), rounding=rounding)


def _decimals_outside(lowest: Decimal | None, highest: Decimal | None, of: Type) -> Failing:
    """Decimals of at most 18 digits, by their unscaled values."""
    factor = Decimal(10) ** of.scale
    low = None if lowest is None else int(lowest * factor)
    high = None if highest is None else int(highest * factor)

    def outside(values: pa.Array) -> Array | None:
        words = np.frombuffer(values.buffers()[1], dtype=np.int64).reshape(-1, 2)
        data = words[values.offset : values.offset + len(values), 0]
        inside = np.ones(len(data), dtype=bool) if low is None else data >= low
        if high is not None:
            inside &= data <= high
        return _valid_only(~inside, values) if not inside.all() else None

    def compared(values: pa.Array) -> Array | None:
        outsiders = [
            compare(values, pa.scalar(bound))
            for compare, bound in ((pc.less, lowest), (pc.greater, highest))
            if bound is not None
        ]
        outside: Array = np.logical_or.reduce([_truth(each) for each in outsiders])
        return outside

    return outside if of.precision <= 18 else compared


def _enum(rule: Rule, of: Type) -> tuple[Failing, str]:
    values = rule.arguments["values"]
    try:
        allowed = pa.array(list(values)).cast(of.arrow()) if of.is_scalar else None
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        allowed = None
    if allowed is None:
        raise rule.error(
            f"its values are not all of type {of}.", asked=list(values), remedy=f"Give values that are {of}."
        )
    named = ", ".join(json.dumps(value, ensure_ascii=False) for value in values[:_SHOWN])
    more = ", ..." if len(values) > _SHOWN else ""

    def other(values: pa.Array) -> Array | None:
        found = pc.is_in(values, value_set=allowed)
        if found.true_count == len(found):
            return None
        if of == DOUBLE:  # -0.0 is 0.0
            found = pc.is_in(pc.add(values, 0.0), value_set=allowed)
        return _valid_only(~_truth(found), values)

    return other, f"is not one of {named}{more}"


def _type(rule: Rule, of: Type) -> tuple[Failing, str]:
    wanted = parse_type(rule.arguments["type"])
    if not (of.is_scalar or of.name == "list") or not castable(of.arrow(), wanted):
        raise rule.error(
            f"values of type {of} cannot be read as {wanted}.",
            asked=str(wanted),
            available=[str(of)],
            remedy="Name a type that they can be read as.",
        )

    def unreadable(values: pa.Array) -> Array | None:
        if of == wanted:
            return None
        return cast_all({"value": (values, wanted)})["value"].bad

    return unreadable, f"is no {wanted}"


def _regex(rule: Rule, of: Type) -> tuple[Failing, str]:
    pattern = rule.arguments["pattern"]
    if of.name != "string":
        raise rule.error(
            f"values of type {of} are no texts.", asked=str(of), remedy="Use range, enum or custom."
        )
    anchored = rf"\A(?:{pattern})"
    try:
        pc.match_substring_regex(pa.array([""]), anchored)
    except pa.ArrowInvalid as error:
        said = str(error).split("\n", 1)[0]
        raise rule.error(f"{pattern!r} is no RE2 pattern: {said}.", asked=pattern) from None

    def other(values: pa.Array) -> Array | None:
        found = pc.match_substring_regex(values, anchored)
        if found.true_count == len(found):
            return None
        return _valid_only(~_truth(found), values)

    return other, f"does not match {pattern!r} from its start"


def _truth(of: pa.BooleanArray) -> Array:
    """Booleans, null as False."""
    filled = pc.fill_null(of, fill_value=False) if of.null_count else of
    found: Array = filled.to_numpy(zero_copy_only=False)
    return found


def _valid_only(failing: Array, values: pa.Array) -> Array:
    valid = valid_of(values)
    return failing if valid is None else failing & valid


_MAKERS: dict[str, Callable[[Rule, Type], tuple[Failing, str]]] = {
    "not_null": _not_null,
    "range": _range,
    "enum": _enum,
    "type": _type,
    "regex": _regex,
}
"""For each kind of rule what makes its check and its complaint."""
