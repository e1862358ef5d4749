"""Documents without definitions behind them: for tests of the registry's rules alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from headrace.definitions.canonical import Document
from headrace.definitions.references import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def view(
    name: str, version: str, features: Mapping[str, str], *, core: str = "", owner: str = ""
) -> Document:
    """A view; a feature's meaning and the core's are any texts."""
    hashes = {feature: digest(meaning) for feature, meaning in features.items()}
    return Document(
        kind="view",
        name=name,
        version=version,
        body={"is": "view/aggregate", "name": name, "owner": owner, "features": sorted(features)},
        semantic=digest(f"{core} {sorted(hashes.items())}"),
        metadata=digest(owner),
        base=digest(core),
        features=hashes,
    )


def naming(kind: str, name: str, version: str, *references: str | Reference, owner: str = "") -> Document:
    """A definition that names others: Reference values, or texts like `view:ads@2:clicks`."""
    named = tuple(each if isinstance(each, Reference) else reference(each) for each in references)
    return Document(
        kind=kind,
        name=name,
        version=version,
        body={"is": kind, "name": name, "owner": owner, "features": [str(each) for each in named]},
        semantic=digest(f"{kind} {[str(each) for each in named]}"),
        metadata=digest(owner),
        references=named,
    )


def reference(text: str) -> Reference:
    kind, _, rest = text.partition(":")
    of, _, feature = rest.partition(":")
    name, _, version = of.partition("@")
    return Reference(kind, name, version, feature)


def source(name: str, meaning: str = "", *, owner: str = "") -> Document:
    """A source: a kind without versions of its own."""
    body = {"is": "source/event", "name": name, "owner": owner, "meaning": meaning}
    return Document("source", name, "", body, digest(meaning), digest(owner))
