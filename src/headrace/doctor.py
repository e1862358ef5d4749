"""The doctor: whether the parts of a project can be used, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import format_instant
from headrace.errors import HeadraceError
from headrace.online.copying import CopiedStore
from headrace.online.earlier import stored_states
from headrace.online.manifest import read_manifest, read_streams
from headrace.online.states import states_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headrace.kernel.binding import Binding
    from headrace.ports.key_value import Transactional

__all__ = ["Check", "Patient", "examine"]


_LOAD = "Run: headrace materialize."
_REFILL = "Run: headrace materialize --refill."


class Check(NamedTuple):
    """One thing looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        detail: What was seen.
        remedy: What to do, where it is not.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON values."""
        return self._asdict()


class Patient(NamedTuple):
    """What is looked at, each part opened only when its turn comes.

    Attributes:
        features: How many features the registry holds.
        changes: How many changes the definitions hold that are not applied.
        views: The live views.
        is_online_here: Whether this host has the online store, which opening would make.
        online: The online store.
        check_serving: Raises what keeps requests from being answered.
    """

    features: Callable[[], int]
    changes: Callable[[], int]
    views: Callable[[], Sequence[Binding]]
    is_online_here: Callable[[], bool]
    online: Callable[[], Transactional]
    check_serving: Callable[[], None]


def examine(patient: Patient) -> list[Check]:
    """Look at registry, definitions and online store; what is wrong with one does not hide the others."""
    return [
        *_looked("registry", lambda: _registry(patient)),
        *_looked("definitions", lambda: _definitions(patient)),
        *_looked("online store", lambda: _online(patient)),
        *_looked("served from", lambda: _served(patient)),
    ]


def _looked(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(look())
    except HeadraceError as error:
        return [Check(name, ok=False, detail=error.message, remedy=error.remedy)]


def _registry(patient: Patient) -> Iterator[Check]:
    yield Check("registry", ok=True, detail=f"{patient.features()} features")


def _definitions(patient: Patient) -> Iterator[Check]:
    changes = patient.changes()
    if not changes:
        yield Check("definitions", ok=True, detail="as applied")
    else:
        yield Check(
            "definitions", ok=False, detail=f"{changes} changes not applied", remedy="Run: headrace apply."
        )


def _online(patient: Patient) -> Iterator[Check]:
    if not patient.is_online_here():
        yield Check("online store", ok=True, detail="not on this host: loads and pushes run elsewhere")
        return
    views = patient.views()
    with patient.online().snapshot() as snapshot:
        manifest = read_manifest(snapshot)
        streams = read_streams(snapshot, [view.id for view in views])
    for view, stream in zip(views, streams, strict=True):
        loaded = manifest.of(view.id)
        if loaded.generation < 0 and (view.source.batch is not None or not stream.epochs):
            yield Check(f"view {view.id}", ok=False, detail="has no state online", remedy=_LOAD)
        elif stored_states(loaded, stream) != states_of(view).fingerprint:
            detail = "its state is of an earlier definition; new features wait for a load"
            yield Check(f"view {view.id}", ok=False, detail=detail, remedy=_LOAD)
        elif loaded.generation < 0:
            yield Check(f"view {view.id}", ok=True, detail="pushed events, which are all there are")
        else:
            late = f", {stream.late} late events wait for a load" if stream.late else ""
            yield Check(
                f"view {view.id}", ok=True, detail=f"loaded up to {format_instant(loaded.known)}{late}"
            )


def _served(patient: Patient) -> Iterator[Check]:
    """Whether a copy that is served from can be asked, and holds what was loaded."""
    online = patient.online() if patient.is_online_here() else None
    if online is None:
        patient.check_serving()
        yield Check("served from", ok=True, detail="filled")
    elif isinstance(online, CopiedStore):
        if online.is_filled():
            yield Check("served from", ok=True, detail=f"filled; {online.behind()} records wait to be copied")
        else:
            yield Check("served from", ok=False, detail="not filled with what was loaded", remedy=_REFILL)
