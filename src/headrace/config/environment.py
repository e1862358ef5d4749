"""What the environment says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headrace.config.sections import SECTIONS, Given, all_keys, nearest
from headrace.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.config.sections import Values

__all__ = ["from_environment"]

_VARIABLE = re.compile(r"HEADRACE_(?P<section>[A-Z0-9]+(?:_[A-Z0-9]+)*)__(?P<key>\w+)")
_OF_CLIENTS = ("HEADRACE_KAFKA__", "HEADRACE_REDIS__")
"""Settings of client libraries, by their own names; who opens the client reads them."""


def from_environment(environ: Mapping[str, str]) -> Values:
    """What the variables `HEADRACE_<SECTION>__<KEY>` say.

    Raises:
        UnknownNameError: There is no such section or key.
    """
    given: Values = {}
    for name, value in environ.items():
        found = _VARIABLE.fullmatch(name)
        if found is None or name.startswith(_OF_CLIENTS):
            continue
        section, key = found["section"].lower(), found["key"].lower()
        if section not in SECTIONS or key not in SECTIONS[section][1]:
            raise UnknownNameError(
                f"The environment variable {name} sets nothing.",
                asked=name,
                available=nearest(name, [f"HEADRACE_{each[0]}__{each[1]}".upper() for each in all_keys()]),
                remedy="Correct or unset it.",
            )
        given[section, key] = Given(value, f"The environment variable {name}")
    return given
