"""The feature store as the command line sees it: the verbs it calls, and no more."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Store", "Told", "opened"]


class Told(Protocol):
    """An answer that knows its JSON form."""

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON values."""
        ...


class Plan(Told, Protocol):
    """What applying would do."""

    @property
    def is_empty(self) -> bool:
        """Whether it would do nothing."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What else to know."""
        ...

    def rows(self) -> Sequence[Sequence[str]]:
        """Its changes: sign, kind, object, change, what it means."""
        ...


class Applied(Protocol):
    """What an apply did."""

    @property
    def counter(self) -> int:
        """The registry's counter afterwards."""
        ...

    @property
    def plan(self) -> Plan:
        """What it carried out."""
        ...


class Pushed(Protocol):
    """What became of a push, in numbers of events."""

    @property
    def accepted(self) -> int:
        """Entered the state of a view."""
        ...

    @property
    def duplicates(self) -> int:
        """Were there already."""
        ...

    @property
    def late(self) -> int:
        """Wait for the next load."""
        ...

    @property
    def rejected(self) -> int:
        """Went to quarantine."""
        ...


class Dataset(Protocol):
    """Rows with features and labels."""

    @property
    def manifest(self) -> dict[str, Any]:
        """How they were made."""
        ...

    def to_parquet(self, path: Path) -> object:
        """Write them."""
        ...


class OnlineFeatures(Told, Protocol):
    """The answer of an online read."""

    def document(self) -> dict[str, Any]:
        """The document of `POST /get-online-features`."""
        ...


class Outcome(Protocol):
    """What became of a feature test."""

    @property
    def test(self) -> Any:
        """The test."""
        ...

    @property
    def word(self) -> str:
        """`passed`, `failed` or `error`."""
        ...

    @property
    def offline_only(self) -> str:
        """Why serving was not asked."""
        ...

    def told(self) -> str:
        """What went wrong."""
        ...


class Tested(Told, Protocol):
    """What became of feature tests."""

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Of each."""
        ...

    def count(self, word: str) -> int:
        """How many have that outcome."""
        ...


class Quarantine(Told, Protocol):
    """Rows in quarantine."""

    @property
    def rows(self) -> Sequence[Any]:
        """Those asked for."""
        ...

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many break each rule, by source."""
        ...

    @property
    def beyond(self) -> Mapping[str, Mapping[str, int]]:
        """How many more are counted only."""
        ...


class Replayed(Protocol):
    """What became of rows that were tried again."""

    def _asdict(self) -> dict[str, int]:
        """Numbers by name."""
        ...


class Consistency(Told, Protocol):
    """How what was served compares with history."""

    @property
    def met(self) -> bool:
        """Whether every view meets its objective."""
        ...


class Registry(Protocol):
    """What is defined."""

    def get(self, kind: str, name: str, version: str | None) -> object:
        """A version of it; without one, the active one."""
        ...


class Store(Protocol):
    """`headrace.project.FeatureStore`, as far as the command line uses it."""

    @property
    def registry(self) -> Registry:
        """What is defined."""
        ...

    def plan(self) -> Plan:
        """What applying the definitions would do."""
        ...

    def validate(self, of: str, values: Any) -> Sequence[Any]:
        """What rows of a source break."""
        ...

    def quarantine(
        self, source: str | None, *, rule: str | None, since: str | None, until: str | None, limit: int | None
    ) -> Quarantine:
        """Rows in quarantine."""
        ...

    def replay(self, source: str, *, rule: str | None) -> Replayed:
        """Push them again."""
        ...

    def consistency(
        self,
        last: str | None,
        *,
        since: str | None,
        until: str | None,
        views: Sequence[str] | None,
        examine: int,
        progress: Callable[[str, float], None],
    ) -> Consistency:
        """Compare what was served with history."""
        ...

    def apply(self, *, allow_destructive: bool) -> Applied:
        """Register the definitions."""
        ...

    def test(self, paths: Sequence[Path], *, text: str) -> Tested:
        """Run feature tests."""
        ...

    def list_features(
        self,
        *,
        tags: Sequence[str],
        all_tags: Sequence[str],
        owner: str | None,
        type: str | None,  # noqa: A002 - the contract's word
        text: str,
    ) -> Sequence[Told]:
        """The features that match."""
        ...

    def get_feature(self, name: str) -> Told:
        """A feature."""
        ...

    def lineage(self, name: str) -> Told:
        """What it comes from, and what comes from it."""
        ...

    def get_training_set(  # noqa: PLR0913 - as the project has it
        self,
        spine: Any,
        *,
        features: Sequence[str] | None,
        service: str | None,
        labels: Sequence[str],
        as_of: str | None,
        immature: str,
        negatives: float | None,
        seed: int,
        timestamp: str,
        full_feature_names: bool,
        progress: Callable[[str, float], None],
    ) -> Dataset:
        """Features and labels for the rows of a spine."""
        ...

    def rebuild_training_set(
        self, manifest: Path, spine: Any, *, progress: Callable[[str, float], None]
    ) -> Dataset:
        """The rows of a manifest again."""
        ...

    def looks_ahead(self, dataset: Dataset) -> Told:
        """What of a training set was known too early, or may have been."""
        ...

    def materialize(
        self,
        end: str | None,
        *,
        views: Sequence[str] | None,
        full: bool,
        progress: Callable[[str, float], None],
    ) -> Sequence[Told]:
        """Load views; what was loaded of each."""
        ...

    def refill(self) -> int:
        """Fill the copy that is served from; how many records."""
        ...

    def push(self, source: str, rows: Any) -> Pushed:
        """Push events."""
        ...

    def ingest(self, sources: Sequence[str] | None, *, once: bool, done: threading.Event) -> Sequence[Told]:
        """Follow streams; what came of each."""
        ...

    def followed(self, sources: Sequence[str] | None) -> Sequence[str]:
        """The sources that have a stream to follow."""
        ...

    def get_online_features(
        self,
        *,
        features: Sequence[str] | None,
        service: str | None,
        entities: Mapping[str, Sequence[Any]],
        context: Mapping[str, Any] | None,
        as_of: str | None,
        full_feature_names: bool,
    ) -> OnlineFeatures:
        """Features now."""
        ...

    def forget(self, entity: str, entities: Mapping[str, Sequence[Any]], *, dry_run: bool) -> Told:
        """Remove people; what was removed of them."""
        ...

    def doctor(self) -> Sequence[Told]:
        """What was checked: name, ok, detail, remedy."""
        ...


@contextmanager
def opened(project: Path) -> Iterator[Store]:
    """The project's feature store, closed afterwards."""
    from headrace.project import FeatureStore

    store = FeatureStore(project)
    try:
        yield cast("Store", store)
    finally:
        store.close()
