"""Finding and loading a project's definitions: the Python files that say what there is.

The files of a project are modules of a package of its own, named after the project's path: two projects with
a `features.py` do not meet, and `from .sources import clicks` works between the files of one. A project that
is loaded again is read anew.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import tomllib
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.definitions.base import Definition
from headrace.definitions.graph import gather
from headrace.errors import DefinitionError, HeadraceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["DEFAULT_FILE", "definition_files", "load_definitions", "load_module", "package_of"]

DEFAULT_FILE = "features.py"
SETTINGS_FILE = "headrace.toml"


def package_of(project: Path) -> str:
    """The name of the package that a project's definitions are loaded under."""
    return f"headrace_project_{hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:16]}"


def definition_files(project: Path, named: str | Sequence[str] | None = None) -> tuple[Path, ...]:
    """The files that hold a project's definitions.

    Args:
        project: The project's directory.
        named: Files, globs or directories inside it; None for what `headrace.toml` names, or `features.py`.

    Returns:
        Absolute paths, in the order named, each once.

    Raises:
        DefinitionError: There is none, one is missing or lies outside the project, or `headrace.toml` cannot
            be read.
    """
    root = project.resolve()
    if not root.is_dir():
        raise DefinitionError(
            f"There is no project directory {project}.",
            asked=project,
            remedy="Make one with `headrace init`.",
        )
    if named is None:
        named = _from_settings(root)
    found: dict[Path, None] = {}
    for pattern in [named] if isinstance(named, str) else named:
        found |= dict.fromkeys(_matches(root, pattern))
    return tuple(found)


def _from_settings(root: Path) -> str | Sequence[str]:
    path = root / SETTINGS_FILE
    if not path.exists():
        return DEFAULT_FILE
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DefinitionError(
            f"{path}: it cannot be read: {error}.", asked=path, remedy="Mend the file."
        ) from error
    section = settings.get("project")
    named = section.get("definitions") if isinstance(section, dict) else None
    named = named if named is not None else settings.get("definitions", DEFAULT_FILE)
    texts = [named] if isinstance(named, str) else named
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) and each for each in texts):
        raise DefinitionError(
            f"{path}: definitions is a file or a list of files, not {named!r}.",
            asked=named,
            remedy=f'Write definitions = "{DEFAULT_FILE}".',
        )
    return texts


def _matches(root: Path, pattern: str) -> list[Path]:
    path = root / pattern
    if path.is_dir():
        found = sorted(each for each in path.rglob("*.py") if each.name != "__init__.py")
    elif glob.has_magic(pattern):
        found = sorted(root.glob(pattern))
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise DefinitionError(
            f"There are no definitions at {path}.",
            asked=pattern,
            available=sorted(each.name for each in root.glob("*.py")),
            remedy=f"Write them in {DEFAULT_FILE}, or name the file in {SETTINGS_FILE}.",
        )
    for each in found:
        inside = each.resolve().is_relative_to(root)
        if (
            not inside
            or each.suffix != ".py"
            or not all(part.isidentifier() for part in _module_parts(root, each))
        ):
            raise DefinitionError(
                f"{each} cannot hold definitions.",
                asked=pattern,
                remedy="Definitions are .py files inside the project, of names that Python can import.",
            )
    return [each.resolve() for each in found]


def _module_parts(root: Path, path: Path) -> tuple[str, ...]:
    with contextlib.suppress(ValueError):
        return path.resolve().relative_to(root).with_suffix("").parts
    return ("",)


def load_definitions(project: str | Path, named: str | Sequence[str] | None = None) -> tuple[Definition, ...]:
    """The definitions of a project: those at module level, those in lists there, and what they are made of.

    Names that begin with `_` are left out unless something else is made of them.

    Args:
        project: The project's directory.
        named: As in `definition_files`.

    Returns:
        The definitions, those that others are made of first.

    Raises:
        DefinitionError: A file is missing or cannot be loaded, or a definition is wrong; the text names file
            and line.
        UnknownNameError: A view has no feature of a name that is asked of it.
    """
    root = Path(project).resolve()
    files = definition_files(root, named)
    package = package_of(root)
    _forget(package)
    _hold(root, package)
    try:
        with _finding(package):
            modules = [_load(root, path, package) for path in files]
        return _collect(files, modules)
    except BaseException:
        _forget(package)
        raise


def load_module(project: str | Path, path: str | Path) -> types.ModuleType:
    """A Python file of a project, read anew, in one package with its definitions.

    Args:
        project: The project's directory.
        path: The file.

    Raises:
        DefinitionError: It lies outside the project, or cannot be loaded; the text names file and line.
    """
    root = Path(project).resolve()
    (file,) = _matches(root, str(path))
    package = package_of(root)
    if package not in sys.modules:
        _hold(root, package)
    _forget(".".join((package, *_module_parts(root, file))))
    with _finding(package):
        return _load(root, file, package)


def _hold(root: Path, package: str) -> None:
    """Make the package that the files of a project are modules of."""
    holder = types.ModuleType(package, f"Definitions of {root}")
    holder.__path__ = [str(root)]
    sys.modules[package] = holder


def _collect(files: Sequence[Path], modules: Sequence[types.ModuleType]) -> tuple[Definition, ...]:
    found = gather(each for module in modules for each in _definitions_in(module))
    if not found:
        raise DefinitionError(
            f"{', '.join(map(str, files))}: there is no definition in it.",
            asked=files[0],
            remedy="Define entities, sources and views at module level.",
        )
    return found


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


class _Source(importlib.machinery.SourceFileLoader):
    """Compiles the file as it is now: cached bytecode tells versions apart by seconds, people edit faster."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        code: types.CodeType = self.source_to_code(self.get_data(path), path)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of one project, and only those."""

    def __init__(self, package: str) -> None:
        self._inside = f"{package}."

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        for folder in path or () if fullname.startswith(self._inside) else ():
            found = importlib.machinery.FileFinder(folder, (_Source, [".py"])).find_spec(fullname)
            if found is not None and found.loader is not None:
                return found
        return None  # a folder without an __init__.py is left to Python's own finder


@contextlib.contextmanager
def _finding(package: str) -> Iterator[None]:
    finder = _Finder(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _load(root: Path, path: Path, package: str) -> types.ModuleType:
    name = ".".join((package, *_module_parts(root, path)))
    try:
        return importlib.import_module(name)
    except HeadraceError as error:
        if error.message.startswith(str(root)):
            raise
        raise _relocated(error, _place(error, root, path)) from error
    except SyntaxError as error:
        place = f"{error.filename or path}:{error.lineno or 1}"
        raise DefinitionError(
            f"{place}: this is not Python: {error.msg}.", asked=path, remedy="Mend the line."
        ) from error
    except ImportError as error:
        raise DefinitionError(
            f"{_place(error, root, path)}: it cannot be imported: {error}.",
            asked=error.name,
            remedy=_import_remedy(root, error),
        ) from error
    except (Exception, SystemExit) as error:
        place = _place(error, root, path)
        raise DefinitionError(
            f"{place}: loading the definitions failed: {type(error).__name__}: {error}.",
            asked=path,
            remedy="Definitions are loaded like any module; mend the line.",
        ) from error


def _import_remedy(root: Path, error: ImportError) -> str:
    first = (error.name or "").partition(".")[0]
    if first and ((root / f"{first}.py").exists() or (root / first).is_dir()):
        return f"Write `from .{first} import ...`: the files of a project are one package."
    return "Install the package, or correct the name."


def _relocated(error: HeadraceError, place: str) -> HeadraceError:
    return type(error)(
        f"{place}: {error.message}", asked=error.asked, available=error.available, remedy=error.remedy
    )


def _place(error: BaseException, root: Path, path: Path) -> str:
    """The innermost line of the project that the error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(root))]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else f"{path}:1"


def _definitions_in(module: types.ModuleType) -> Iterator[Definition]:
    for name, value in vars(module).items():
        if not name.startswith("_"):
            yield from _walk(value)


def _walk(value: Any) -> Iterator[Definition]:
    if isinstance(value, Definition):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _walk(each)
