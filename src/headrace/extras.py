"""Libraries that not every installation has: where one is missing, it is told what to install."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["needing"]


@contextmanager
def needing(package: str, extra: str, what: str) -> Iterator[None]:
    """Import in the block what needs a package.

    Args:
        package: The package, as it is imported.
        extra: What of ours brings it.
        what: What it is, for the error.

    Raises:
        StoreError: It is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise StoreError(
            f"{what} is not installed.", asked=package, remedy=f"Run: pip install 'headrace[{extra}]'."
        ) from error
