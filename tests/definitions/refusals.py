"""What every refused definition owes: one clear error that names file and line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(
    make: Callable[[], object],
    says: str,
) -> DefinitionError:
    """The error of a definition that a function of the test makes; it names the line it is written in."""
    with pytest.raises(DefinitionError) as caught:
        make()
    error = caught.value
    place = re.match(r"(?P<file>[^\n]+?\.py):(?P<line>\d+): ", error.message)
    assert place, error.message
    assert place["file"] == make.__code__.co_filename
    assert int(place["line"]) in {line for _, _, line in make.__code__.co_lines()}
    assert says in str(error), str(error)
    return error
