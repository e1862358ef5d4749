"""One call of an on-demand function, which fails in words, whatever it raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.retrieval.returned import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.definitions.on_demand import OnDemandFeature

__all__ = ["compute_row"]

_LONGEST = 200
"""Characters that a reason has of what a function raised."""


def compute_row(function: OnDemandFeature, values: Mapping[str, Any], at: int) -> tuple[Any, str]:
    """What one call returns as the output's type has it; None, and which function raised what, if it fails.

    Args:
        function: The function.
        values: Parameter -> value.
        at: The instant, microseconds UTC.
    """
    try:
        return fitting(function.compute(values, at), function.output), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - sys.exit too spoils the function's own value only
        return None, _told(function, error)


def _told(function: OnDemandFeature, error: BaseException) -> str:
    """Which function raised what, in one line of text that can be sent."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error's text is the user's code as well
        text = "it has no text"
    line = text.strip().partition("\n")[0][:_LONGEST]
    told = f"{function.name}: {type(error).__name__}: {line}"
    return told.encode("utf-8", "backslashreplace").decode("utf-8")
