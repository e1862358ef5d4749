"""Rules: what rows and values have to be. Data only; what they find is decided where they run.

On a source a rule names a column; on a feature it speaks of the feature's value and names none.
"""

from __future__ import annotations

import decimal
import math
from dataclasses import KW_ONLY, dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any

from headrace.aggregations.base import written_at
from headrace.definitions.base import METADATA, NOT_DATA
from headrace.definitions.code import code_of
from headrace.definitions.frozen import FrozenMapping
from headrace.errors import DefinitionError
from headrace.schema import parse_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headrace.schema import Type

__all__ = ["Rule", "custom", "enum", "not_null", "range", "regex", "type", "unique"]

_ENFORCED = ("", "serve")

Bound = int | float | str | decimal.Decimal


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        kind: not_null, range, enum, type, regex, unique or custom.
        column: The source's column it speaks of; empty for a feature's value, and for custom.
        arguments: What the kind needs: min and max; values; type; pattern; name and expression.
        enforce: `"serve"` turns a feature's failing values into null and INVALID at every read; empty reports
            only.
        description: Why it holds, in words.
        written: File and line.
        function: The Python function of a custom rule; None where the rule was read from the registry, which
            keeps no code.
    """

    kind: str
    column: str = ""
    _: KW_ONLY
    arguments: FrozenMapping[Any] = field(default_factory=lambda: FrozenMapping({}))
    enforce: str = field(default="", metadata=METADATA)
    description: str = field(default="", metadata=METADATA)
    written: str = field(default="", compare=False, repr=False, metadata=NOT_DATA)
    function: Callable[..., Any] | None = field(default=None, compare=False, repr=False, metadata=NOT_DATA)

    if TYPE_CHECKING:

        def __init__(
            self,
            kind: str,
            column: str = "",
            *,
            arguments: Mapping[str, Any] = ...,
            enforce: str = "",
            description: str = "",
            written: str = "",
            function: Callable[..., Any] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check what all kinds share, then the kind's own arguments."""
        object.__setattr__(self, "written", self.written or written_at())
        object.__setattr__(self, "arguments", FrozenMapping(self.arguments))
        if self.kind not in _KINDS:
            raise self.error(f"there is no rule {self.kind!r}.", asked=self.kind, available=sorted(_KINDS))
        if not isinstance(self.column, str):
            raise self.error(f"the column is a text, not {self.column!r}.", asked=self.column)
        if self.enforce not in _ENFORCED:
            raise self.error(
                f"enforce={self.enforce!r} is unknown.",
                asked=self.enforce,
                available=['"serve"'],
                remedy="Or leave it out.",
            )
        wanted, check = _KINDS[self.kind]
        unknown = sorted(set(self.arguments) - set(wanted))
        if unknown:
            raise self.error(
                f"it takes no {unknown[0]!r}.",
                asked=unknown[0],
                available=("column", *wanted, "enforce", "description"),
                remedy="Use one of these arguments.",
            )
        check(self)

    def error(
        self, message: str, *, asked: object = None, available: Iterable[str] = (), remedy: str = ""
    ) -> DefinitionError:
        """A DefinitionError that names the rule and where it is written."""
        text = f"{self.written}: rule {self.kind}: {message}"
        return DefinitionError(text, asked=asked, available=available, remedy=remedy)

    def __str__(self) -> str:
        """The rule as one writes it, without its module."""
        shown = [repr(self.column)] if self.column else []
        shown += [f"{name}={value!r}" for name, value in self.arguments.items()]
        return f"{self.kind}({', '.join(shown)})"


def _no_arguments(of: Rule) -> None:
    """Nothing to check."""


def _check_range(of: Rule) -> None:
    low, high = of.arguments.get("min"), of.arguments.get("max")
    if low is None and high is None:
        raise of.error("it has neither min nor max.", remedy="Give at least one.")
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float, str, None.__class__)):
            raise of.error(
                f"{bound!r} cannot be a bound.",
                asked=bound,
                remedy="Give a number, or a date or time as text.",
            )
        if isinstance(bound, float) and not math.isfinite(bound):
            raise of.error(f"{bound!r} bounds nothing.", asked=bound, remedy="Leave it out.")
    if low is not None and high is not None:
        if isinstance(low, str) != isinstance(high, str):
            raise of.error(
                f"{low!r} and {high!r} cannot be compared.", asked=(low, high), remedy="Give both alike."
            )
        if not isinstance(low, str) and low > high:
            raise of.error(
                f"min={low} is greater than max={high}.", asked=(low, high), remedy="Exchange them."
            )


def _check_enum(of: Rule) -> None:
    values = of.arguments.get("values")
    if isinstance(values, str) or not hasattr(values, "__iter__") or not values:
        raise of.error(
            f"values is a list of at least one, not {values!r}.", asked=values, remedy='Give ["a", "b"].'
        )
    values = tuple(values)
    if not all(isinstance(value, (str, int, float, bool)) for value in values):
        raise of.error("its values are texts, numbers or booleans.", asked=values)
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise of.error("its values are finite.", asked=values)
    if len(set(values)) < len(values):
        raise of.error("a value is given twice.", asked=values, remedy="Leave one out.")
    object.__setattr__(of, "arguments", FrozenMapping({"values": values}))


def _check_type(of: Rule) -> None:
    try:
        spelled = str(parse_type(of.arguments.get("type", "")))
    except DefinitionError as error:
        raise of.error(error.message, asked=error.asked, available=error.available) from None
    object.__setattr__(of, "arguments", FrozenMapping({"type": spelled}))


def _check_texts(of: Rule) -> None:
    for name in _KINDS[of.kind][0]:
        if not isinstance(of.arguments.get(name), str) or not of.arguments[name].strip():
            raise of.error(
                f"it needs {name}, a text.", asked=of.arguments.get(name), remedy=f'Give {name}="...".'
            )


def _check_custom(of: Rule) -> None:
    for name in ("name", "function" if "function" in of.arguments else "expression"):
        if not isinstance(of.arguments.get(name), str) or not of.arguments[name].strip():
            raise of.error(
                f"it needs {name}, a text.", asked=of.arguments.get(name), remedy=f'Give {name}="...".'
            )


_KINDS: dict[str, tuple[tuple[str, ...], Any]] = {
    "not_null": ((), _no_arguments),
    "range": (("min", "max"), _check_range),
    "enum": (("values",), _check_enum),
    "type": (("type",), _check_type),
    "regex": (("pattern",), _check_texts),
    "unique": ((), _no_arguments),
    "custom": (("name", "expression", "function"), _check_custom),
}
"""Each kind's arguments and their check."""


def _rule(kind: str, column: str, arguments: Mapping[str, Any], others: Mapping[str, Any]) -> Rule:
    shared = {name: others[name] for name in ("enforce", "description", "written") if name in others}
    unknown = {name: value for name, value in others.items() if name not in shared}
    return Rule(kind, column, arguments={**arguments, **unknown}, **shared)


def not_null(column: str = "", **others: Any) -> Rule:
    """The value is there, and is no blank text."""
    return _rule("not_null", column, {}, others)


def range(column: str = "", *, min: Bound | None = None, max: Bound | None = None, **others: Any) -> Rule:  # noqa: A001, A002 - the contract's words
    """The value lies between `min` and `max`, both included; NaN does not."""
    bounds = {"min": min, "max": max}
    plain = {
        name: str(bound) if isinstance(bound, decimal.Decimal) else bound
        for name, bound in bounds.items()
        if bound is not None
    }
    return _rule("range", column, plain, others)


def enum(column: str | Sequence[Any] = "", values: Sequence[Any] = (), **others: Any) -> Rule:
    """The value is one of a few: `enum("event", ["click", "view"])`; for a feature, `enum(["a", "b"])`."""
    if isinstance(column, str):
        return _rule("enum", column, {"values": values}, others)
    return _rule("enum", "", {"values": column}, others)


def type(column: str = "", type: str | Type = "", **others: Any) -> Rule:  # noqa: A001, A002 - the contract's words
    """The value can be read as a type."""
    return _rule("type", column, {"type": type}, others)


def regex(column: str = "", pattern: str = "", **others: Any) -> Rule:
    """The text matches an RE2 pattern, from its start."""
    return _rule("regex", column, {"pattern": pattern}, others)


def unique(column: str = "", **others: Any) -> Rule:
    """No two rows have the value."""
    return _rule("unique", column, {}, others)


def custom(name: str, expression: str | Callable[..., Any], *, column: str = "", **others: Any) -> Rule:
    """A condition of one's own.

    Args:
        name: What it is called.
        expression: DuckDB's scalar SQL on the row's columns, or on `value` for a feature; or a Python
            function of a module of the project, whose parameters are named after the columns it reads (or
            `value`). It receives Arrow arrays of n values and returns n truths: what is not true breaks the
            rule. The registry keeps the hash of its text, never code.
        column: The column whose nulls are left to not_null; without one every row is judged.
        others: enforce, description.

    Raises:
        DefinitionError: The function's text cannot be read, or it is no plain function.
    """
    if not callable(expression):
        return _rule("custom", column, {"name": name, "expression": expression}, others)
    others = {"written": written_at(), **others}
    try:
        if not isinstance(expression, FunctionType) or expression.__name__ == "<lambda>":
            raise TypeError("it is no plain function")  # noqa: TRY301 - one error for all that is wrong with it
        code = code_of(expression)
    except (OSError, SyntaxError, TypeError) as error:
        raise DefinitionError(
            f"{others['written']}: rule custom: the function {name!r} cannot be read: {error}.",
            asked=name,
            remedy="Write it with def in a file of the project.",
        ) from None
    rule = _rule("custom", column, {"name": name, "function": code.function}, others)
    object.__setattr__(rule, "function", expression)
    return rule
