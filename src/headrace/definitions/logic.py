"""How a feature is computed, in words: `count of rows where event = 'click' over the last 7d (1h hop)`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from headrace.aggregations.base import Aggregation
from headrace.definitions.span import Span
from headrace.windows import Calendar, Lifetime, Series

if TYPE_CHECKING:
    from headrace.windows import Window

__all__ = ["describe_aggregation", "describe_window"]

_SHARED = {each.name for each in fields(Aggregation)}
_INPUTS = {"column", "by", "numerator", "denominator"}


def describe_aggregation(of: Aggregation, window: Window, zone: str | None = None) -> str:
    """How one aggregation over one window is computed.

    Args:
        of: The aggregation.
        window: One of its windows.
        zone: The zone of calendar windows, if it is known.
    """
    by = getattr(of, "by", None)
    inputs = [column for column in of.columns if column != by] or list(of.references)
    text = f"{of.kind.replace('_', ' ')} of {(' / ' if of.references else ', ').join(inputs) or 'rows'}"
    if by:
        text += f" by {by}"
    options = [
        f"{each.name} = {_spelled(getattr(of, each.name))}"
        for each in fields(of)
        if each.name not in _SHARED | _INPUTS and getattr(of, each.name) != each.default
    ]
    if options:
        text += f" ({', '.join(options)})"
    if of.where is not None:
        text += f" where {of.where}"
    return f"{text} {describe_window(window, zone)}"


def describe_window(of: Window, zone: str | None = None) -> str:
    """The span of time a window covers."""
    if isinstance(of, Lifetime):
        return "over all time"
    if isinstance(of, Series):
        return f"over each of the last {of.n} spans of {of.each.text} ({Span(of.each.hop)} hop)"
    if isinstance(of, Calendar):
        local = f" ({zone})" if zone else ""
        if not of.offset:
            return f"over the running {of.unit}{local}"
        ago = (
            "last complete" if of.offset == 1 else f"complete {of.unit} number {of.offset} before the running"
        )
        return f"over the {ago} {of.unit}{local}"
    if of.offset:
        return f"over the {of.text} that ended {of.offset_text} ago ({Span(of.hop)} hop)"
    return f"over the last {of.text} ({Span(of.hop)} hop)"


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_spelled, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)
