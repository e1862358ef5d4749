"""Making a training set again from its manifest: what it says, and whether everything still is as it says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from headrace.errors import DataError
from headrace.offline.dataset import MANIFEST_KEY, headrace_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.offline.spine import Spine

__all__ = ["check_definitions", "check_rows", "check_sources", "check_spine", "read_manifest"]

_NEEDED = ("features", "spine", "sources", "labels", "as_of", "immature", "negatives", "sha256", "created_at")


def read_manifest(given: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a training set.

    Args:
        given: The manifest; or a file: JSON, or the Parquet file that the set was written to.

    Raises:
        DataError: There is none, or it is that of no training set.
    """
    found = _loaded(Path(given).expanduser()) if isinstance(given, str | os.PathLike) else dict(given)
    missing = [name for name in _NEEDED if not isinstance(found, dict) or name not in found]
    if missing:
        raise DataError(
            "This is not the manifest of a training set.",
            asked=given if isinstance(given, str | os.PathLike) else missing[0],
            remedy="Give what get_training_set or headrace train made: its Parquet file, or its manifest.",
        )
    return found


def _loaded(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if not is_parquet:
            return json.loads(path.read_text(encoding="utf-8"))
        return json.loads((parquet.read_schema(path).metadata or {}).get(MANIFEST_KEY, b"null"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as a manifest: {str(error).splitlines()[0]}.",
            asked=path,
            remedy="Give a training set's Parquet file, or its manifest as JSON.",
        ) from None


def check_definitions(manifest: Mapping[str, Any], fingerprints: Mapping[str, str]) -> None:
    """Check that features and labels are defined as they were.

    Args:
        manifest: The manifest.
        fingerprints: The semantic fingerprint of each feature and label now, by the name it has there.

    Raises:
        DataError: One is not; the text names it.
    """
    then = {each["feature"]: each["fingerprint"] for each in manifest["features"]}
    then |= {each["label"]: each["fingerprint"] for each in manifest["labels"]}
    for name, fingerprint in then.items():
        if fingerprints.get(name) != fingerprint:
            raise _changed(f"The definition of {name}", name, "Define it as it was then.")


def check_spine(manifest: Mapping[str, Any], spine: Spine) -> None:
    """Check that the spine has the rows it had.

    Raises:
        DataError: It has not.
    """
    then = manifest["spine"]
    if spine.digest() != then["sha256"]:
        path = spine.path or then["path"]
        told = f"{path} " * bool(path) + f"({then['rows']} rows then, {len(spine)} now)"
        raise _changed(f"The spine {told}", str(path or "spine"), "Give the rows it was made of.")


def check_sources(manifest: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the sources hold what they held.

    Args:
        manifest: The manifest.
        facts: What they hold now, with contents; see `headrace.offline.inputs`.

    Raises:
        DataError: One does not; the text names the source, and the file.
    """
    for source, then in manifest["sources"].items():
        for what in _differences(then, facts.get(source, {})):
            raise _changed(f"Source {source!r}: {what}", what, "Put back what was there.")


def check_rows(manifest: Mapping[str, Any], sha256: str) -> None:
    """Check that the rows are those the manifest speaks of.

    Raises:
        DataError: They are not, though all that they are made of is the same.
    """
    if sha256 == manifest["sha256"]:
        return
    versions = manifest["headrace_version"], manifest["pyarrow_version"]
    then = "Headrace {}, pyarrow {}".format(*versions)
    raise DataError(
        "The rows differ from those the manifest speaks of, though they were made of the same.",
        asked=sha256,
        available=[manifest["sha256"]],
        remedy=f"They were made by {then}; this is Headrace {headrace_version()}, pyarrow {pa.__version__}.",
    )


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before = {file["path"]: file["sha256"] for file in then["files"]}
    after = {file["path"]: file["sha256"] for file in now.get("files", ())}
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"the file {path}, which is gone,"
        elif path not in before:
            yield f"the file {path}, which is new,"
        elif before[path] != after[path]:
            yield f"the file {path}"
    if then.get("sha256") != now.get("sha256"):
        yield "the table in memory"
    for name in ("serving_delay", "complete_until"):
        if then[name] != now.get(name):
            yield f"{name}, then {then[name]}, now {now.get(name)},"


def _changed(what: str, asked: str, remedy: str) -> DataError:
    return DataError(f"{what} has changed since the training set was made.", asked=asked, remedy=remedy)
