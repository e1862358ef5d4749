"""NumPy and Arrow, loaded when first used.

Definitions are data: writing one must not cost the import of NumPy. The pure core takes heavy libraries from
here; the first use of an attribute imports the library, and every later use finds the attribute in place.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    import pyarrow
    from pyarrow import compute
else:

    class _Lazy:
        """A stand-in for a module that fetches each attribute once."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self._module), name)
            setattr(self, name, value)
            return value

    numpy = _Lazy("numpy")
    pyarrow = _Lazy("pyarrow")
    compute = _Lazy("pyarrow.compute")

__all__ = ["compute", "numpy", "pyarrow"]
