"""The feature store: one object, a dozen verbs, each handing over to the part that does it."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from headrace.clock import Clock, MonotonicClock, SystemClock, instant
from headrace.config import read_settings
from headrace.errors import StoreError
from headrace.parts import Parts

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from headrace.config import Settings
    from headrace.definitions.base import Definition
    from headrace.definitions.entity import Entity
    from headrace.definitions.label import Label
    from headrace.definitions.service import FeatureService
    from headrace.doctor import Check
    from headrace.erasure import Forgotten
    from headrace.ingesting import Ingested
    from headrace.kernel.binding import Binding
    from headrace.monitoring.report import Consistency
    from headrace.offline.dataset import HistoricalFeatures
    from headrace.offline.looks_ahead import LooksAhead
    from headrace.offline.training import TrainingSet
    from headrace.online.answer import OnlineFeatures
    from headrace.online.browsing import Quarantine, Replayed
    from headrace.online.ingest import Pushed
    from headrace.online.ingestion import Counts
    from headrace.online.materialize import Loaded
    from headrace.online.served_log import LogCounts
    from headrace.online.serving import Answering
    from headrace.online.tallies import Tally
    from headrace.ports.engine import Progress
    from headrace.ports.key_value import OneHost
    from headrace.registry.changes import Plan
    from headrace.registry.lineage import Lineage
    from headrace.registry.registry import Applied, Registry
    from headrace.registry.search import FeatureEntry
    from headrace.resolution import Resolution
    from headrace.retrieval.deadline import Deadline
    from headrace.retrieval.result_cache import ResultCache
    from headrace.retrieval.settle import Settled
    from headrace.retrieval.validation import Failure
    from headrace.schema import Schema
    from headrace.telemetry import Histogram
    from headrace.testing.feature_tests.outcome import Report

__all__ = ["FeatureStore"]


def _silent(what: str, share: float) -> None:
    """Progress nobody watches."""


def _until(timeout: float | None) -> Deadline | None:
    """The deadline of a request that begins now."""
    if timeout is None:
        return None
    from headrace.retrieval.deadline import Deadline

    return Deadline.after(timeout, MonotonicClock())


class FeatureStore:
    """A project's feature store.

    Opening costs nothing; registry, engine and online store are opened by the first verb that needs them.
    """

    def __init__(
        self, path: str | os.PathLike[str] = ".", *, clock: Clock | None = None, who: str | None = None
    ) -> None:
        """Open a project.

        Args:
            path: The directory with `headrace.toml`.
            clock: Tells the time; the machine's by default.
            who: Who acts, for history and audit; the user by default.

        Raises:
            StoreError: There is no project, or its settings cannot be read.
            UnknownNameError: A section or key of the settings does not exist.
            DefinitionError: The settings are not TOML, or a value is not what its key needs.
        """
        self._parts = Parts(read_settings(Path(path)), clock or SystemClock(), who)

    # --- parts ---

    @property
    def settings(self) -> Settings:
        """What the project's `headrace.toml` says."""
        return self._parts.settings

    @property
    def registry(self) -> Registry:
        """What is defined, in which version, since when and by whom."""
        return self._parts.registry

    @property
    def online(self) -> OneHost:
        """What loads and pushes write to, and unless it has a copy, what is served from."""
        return self._parts.online

    @property
    def _names(self) -> Resolution:
        return self._parts.names

    def close(self) -> None:
        """Let go of registry and online store."""
        self._parts.close()

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # --- definitions ---

    def plan(self, definitions: Iterable[Definition] | None = None) -> Plan:
        """What applying the project's definitions, or some others, would do; nothing is written.

        Raises:
            DefinitionError: A definition is wrong; the text names file and line.
            UnknownNameError: A definition refers to what is neither given nor registered.
            DataError: The data of a source without a schema cannot be read.
        """
        settled = self._settled(definitions)
        return self.registry.plan(settled.documents, settled.features, partial=definitions is not None)

    def _settled(self, definitions: Iterable[Definition] | None) -> Settled:
        """What is defined, with the schemas of all sources."""
        from headrace.retrieval.settle import settle

        parts = self._parts
        given = parts.definitions() if definitions is None else tuple(definitions)
        schemas, offers = parts.names.frozen_schemas(), parts.registry.offers()
        return settle(given, parts.engine, parts.settings.project.timezone, schemas, offers)

    def apply(
        self, definitions: Iterable[Definition] | None = None, *, allow_destructive: bool = False
    ) -> Applied:
        """Register the project's definitions, or add some others, in one transaction.

        Raises:
            DefinitionError: A definition is wrong, or changed without a new version.
            UnknownNameError: A definition refers to what is neither given nor registered.
            DataError: The data of a source without a schema cannot be read.
            DestructiveChangeError: Something would be lost, and that was not allowed.
            ConflictError: Somebody else applied at the same time what makes a difference to this.
        """
        given = None if definitions is None else tuple(definitions)
        settled = self._settled(given)
        applied = self.registry.apply(
            settled.documents,
            settled.features,
            allow_destructive=allow_destructive,
            partial=given is not None,
        )
        if given is not None:
            self._parts.give(given)
        self._parts.current.forget()
        return applied

    def list_features(
        self,
        *,
        tags: Sequence[str] = (),
        all_tags: Sequence[str] = (),
        owner: str | None = None,
        type: str | None = None,  # noqa: A002 - the contract's word
        text: str = "",
    ) -> list[FeatureEntry]:
        """The features that match, with all that is known of them."""
        return self.registry.features(tags=tags, all_tags=all_tags, owner=owner, type=type, text=text)

    def get_feature(self, name: str) -> FeatureEntry:
        """A feature, by `view:feature`, `view@2:feature` or an on-demand feature's name.

        Raises:
            UnknownNameError: There is none.
            DefinitionError: The text is no reference.
        """
        return self.registry.feature(name)

    def lineage(self, name: str) -> Lineage:
        """What a definition or feature comes from, and what comes from it.

        Raises:
            UnknownNameError: There is none of that name.
            DefinitionError: The text is no reference.
        """
        return self.registry.lineage(name)

    def test(self, paths: Sequence[str | os.PathLike[str]] = (), *, text: str = "") -> Report:
        """Run the project's feature tests: literal events in, expected values out, in history and online.

        Nothing of the project is read but its definitions, nothing of it is changed.

        Args:
            paths: Files or directories of tests; the project's `tests` by default.
            text: Only tests whose file or name holds it.

        Raises:
            DataError: There is no such test, or the schema of a source cannot be found.
            DefinitionError: A definition or a file of tests is wrong; the text names file and line.
            StoreError: A file cannot be read.
            UnknownNameError: A definition refers to what is not there.
        """
        from headrace.testing.feature_tests.running import run

        def frozen() -> Mapping[str, Schema]:  # opens the registry, which most tests do without
            return self._names.frozen_schemas()

        return run(self.settings, self._parts.definitions(), frozen, paths, text)

    # --- history ---

    def get_historical_features(
        self,
        spine: Any = None,
        *,
        features: Sequence[str] | FeatureService | None = None,
        service: str | FeatureService | None = None,
        timestamp: str = "ts",
        full_feature_names: bool = False,
        entity_df: Any = None,
        progress: Progress = _silent,
    ) -> HistoricalFeatures:
        """What serving would have answered at each row's instant.

        Args:
            spine: Rows with join keys and instants: Arrow, pandas, polars, dicts or a path.
            features: References such as `"user_ads:ctr_7d"`.
            service: A service, `"ctr_model@1"`, instead of features.
            timestamp: The spine's column of instants.
            full_feature_names: Name columns `view__feature`.
            entity_df: The spine, by Feast's name.
            progress: Hears how far the work is.

        Raises:
            DataError: The spine or a source cannot be used; neither or both of features and service are
                given.
            UnknownNameError: A feature or service does not exist.
            DefinitionError: Two columns would share a name, or a text is no reference.
            StoreError: The code of an on-demand feature is not the code that was applied.
        """
        chosen = self._names.choose(features, service)
        rows = entity_df if spine is None else spine
        return self._parts.training.historical(rows, timestamp, chosen, progress, full=full_feature_names)

    def get_training_set(  # noqa: PLR0913 - what may be asked; all but the first are keywords
        self,
        spine: Any = None,
        *,
        service: str | FeatureService | None = None,
        features: Sequence[str] | FeatureService | None = None,
        labels: Sequence[str | Label] | str | Label = (),
        as_of: str | int | dt.datetime | None = None,
        immature: str = "null",
        negatives: float | None = None,
        seed: int = 0,
        timestamp: str = "ts",
        full_feature_names: bool = False,
        entity_df: Any = None,
        progress: Progress = _silent,
    ) -> TrainingSet:
        """Features at each row's instant, and what became of the row: labels.

        Columns are the spine's, the features, and each label with `label_mature` and `label_delay` (seconds
        to its first event); of several labels `{name}_mature` and `{name}_delay`.

        Args:
            spine: Rows with keys and instants: the touches to learn from, or some of them.
            service: A service, `"ctr_model@1"`, instead of features.
            features: References such as `"user_ads:ctr_7d"`.
            labels: Labels, or names of registered ones.
            as_of: What was not known before this instant counts for no label; by default all that should have
                arrived.
            immature: What becomes of rows whose label may still change: "null" hides it, "keep" shows it as
                known so far, "drop" leaves the rows out.
            negatives: The share of rows without an outcome to keep; `sample_weight` then holds the weights.
            seed: Which of them.
            timestamp: The spine's column of instants.
            full_feature_names: Name columns `view__feature`.
            entity_df: The spine, by Feast's name.
            progress: Hears how far the work is.

        Raises:
            DataError: As in `get_historical_features`; or `as_of` is in the future, or a choice is none.
            UnknownNameError: A feature, service or label does not exist.
            DefinitionError: Two columns would share a name, or a label does not fit its sources.
            StoreError: The code of an on-demand feature is not the code that was applied.
        """
        asked = self._parts.training.labels(labels, as_of, immature, negatives, seed)
        chosen = self._names.choose(features, service)
        rows = entity_df if spine is None else spine
        return self._parts.training.make(rows, timestamp, chosen, asked, progress, full=full_feature_names)

    def rebuild_training_set(
        self,
        manifest: Mapping[str, Any] | str | os.PathLike[str],
        spine: Any = None,
        *,
        progress: Progress = _silent,
    ) -> TrainingSet:
        """A training set made again from its manifest: the same rows, and byte for byte the same file.

        Args:
            manifest: A training set's `manifest`, a JSON file of it, or the set's Parquet file.
            spine: The spine, if it was a table in memory or its file lies elsewhere now.
            progress: Hears how far the work is.

        Raises:
            DataError: Something it was made of has changed, or is not given; the text names it.
            UnknownNameError: A feature or label does not exist any more.
        """
        return self._parts.training.rebuild(manifest, spine, progress)

    def looks_ahead(self, dataset: HistoricalFeatures, *, rows: int = 100, seed: int = 0) -> LooksAhead:
        """Whether a training set knows anything that was not known at its rows' instants.

        Some rows are made again of what was known before their instant alone. Beside that proof, what may be
        a leak is told: rows that another column says were known later, features of the label's own events,
        columns of the spine that are after the row's instant or alone tell the label.

        Args:
            dataset: A training set, or historical features, that this project made.
            rows: How many rows are made again.
            seed: Which ones.

        Raises:
            DataError: A source cannot be read.
        """
        return self._parts.training.looks_ahead(dataset, rows, seed)

    # --- serving ---

    def materialize(
        self,
        end: str | int | dt.datetime | None = None,
        *,
        views: Sequence[str] | None = None,
        full: bool = False,
        progress: Progress = _silent,
    ) -> list[Loaded]:
        """Load views into the online store: all events known before `end`.

        A load adds what came since the load before. Where files that were loaded have changed or gone, or the
        definition has changed, all is loaded.

        Args:
            end: K; by default the last edge of an epoch by which, after the source's lateness, all is there.
            views: Names of views; all live ones by default.
            full: Whether to load all in any case.
            progress: Hears how far the loads are.

        Raises:
            DataError: There is nothing to load, `end` is in the future or no epoch's edge, a source cannot be
                read or used, or the push log no longer reaches back to `end`.
            UnknownNameError: There is no live view of a name.
            ConflictError: Another load of a view has begun.
        """
        from headrace.loads import load

        return load(self._parts, None if end is None else instant(end), views, progress, full=full)

    def refill(self) -> int:
        """Copy all that is served into a Redis that was lost or emptied; say how many records.

        Where the embedded store is served from there is nothing to copy: 0.

        Raises:
            StoreError: The copy cannot be reached.
        """
        from headrace.online.copying import CopiedStore

        return self.online.refill() if isinstance(self.online, CopiedStore) else 0

    def keeping_copy(self) -> AbstractContextManager[None]:
        """While the block runs, a Redis that was away, lost or emptied is caught up with in the background.

        One process of a host does, however many ask; on a host without the embedded store nothing is done.
        """
        keeper = self._parts.keeper
        return nullcontext() if keeper is None else keeper.running()

    def watching_registry(self) -> AbstractContextManager[None]:
        """While the block runs, requests never look at the registry: its changes are made ready beside them.

        A registry that cannot be read meanwhile does not keep them from being answered, by what it said.
        """
        return self._parts.current.watching()

    def push(self, source: str, rows: Any) -> Pushed:
        """Add events to a source's stream; when this returns they are durable and visible.

        Args:
            source: The source's name.
            rows: Dicts, Arrow, pandas or polars.

        Raises:
            UnknownNameError: There is no such source.
            DataError: The source has no stream, or the rows lack a column.
            StoreError: No known definition of a view made its stored records.
        """
        return self._names.stream(source).push_rows(self.online, rows, self._parts.clock.now())

    def ingest(
        self,
        sources: Sequence[str] | None = None,
        *,
        once: bool = False,
        done: threading.Event | None = None,
        counted: Path | None = None,
    ) -> list[Ingested]:
        """Follow the streams of sources: what they bring is durable and visible batch by batch.

        Whatever is killed or fails, each event counts once. Several processes of a host share the partitions.

        Args:
            sources: Their names; all that have a stream by default.
            once: Take what there is now, and return.
            done: Ends it when it is set; without, and without `once`, it goes on for ever.
            counted: The file to count in what is done, of those that the servers of this host tell; one that
                nobody else uses by default.

        Raises:
            UnknownNameError: There is no such source.
            DataError: One of them has no stream.
            StoreError: With `once`: a broker or the store cannot be used. Too many processes ingest.
        """
        from headrace.ingesting import follow, ingest_once

        if once:
            return ingest_once(self._parts, sources)
        return follow(self._parts, sources, done or threading.Event(), counted)

    def ingesting(self, sources: Sequence[str] | None = None) -> AbstractContextManager[Mapping[str, Counts]]:
        """While the block runs, streams are followed in the background; it is given what is counted."""
        from headrace.ingesting import following

        return following(self._parts, sources)

    def followed(self, sources: Sequence[str] | None = None) -> list[str]:
        """The sources that have a stream to follow: all there are, or those named.

        Raises:
            UnknownNameError: There is no such source.
            DataError: One that is named has no stream.
        """
        from headrace.ingesting import streams_of

        return [each.name for each in streams_of(self._parts, sources)]

    def ingested(self) -> Mapping[str, Tally]:
        """What was ingested on this host since ever, and how far behind it is now, by source."""
        from headrace.wiring import open_seats

        return open_seats(self.settings).told() if self._parts.is_online_here else {}

    # --- validation ---

    def validate(self, of: str, values: Any) -> list[Failure]:
        """What rows of a source, or values of a feature, break; nothing is written.

        Args:
            of: A source's name, or a feature: `"view:feature"`, or an on-demand feature's name.
            values: Rows of the source (dicts, Arrow, pandas, polars, or the path of a file); values of the
                feature.

        Raises:
            UnknownNameError: There is no such source or feature.
            DataError: The rows or values cannot be read.
        """
        from headrace.retrieval.validation import validate_rows, validate_values

        if of in self._names.source_names():
            source, _ = self._names.of_source(of)
            return validate_rows(source, values, self.settings.project.timezone, self.settings.directory)
        feature, rules, kind = self._names.ruled(of)
        return validate_values(feature, rules, kind, values)

    def quarantine(
        self,
        source: str | None = None,
        *,
        rule: str | None = None,
        since: str | int | dt.datetime | None = None,
        until: str | int | dt.datetime | None = None,
        limit: int | None = None,
    ) -> Quarantine:
        """The rows that could not be used, with their reasons, and how many by rule.

        Args:
            source: The source; all by default.
            rule: Only rows that break it: `"range(price)"`, or `"range"` for any range.
            since: Only rows put there at or after this instant.
            until: Only rows put there before this instant.
            limit: The most rows to answer; all are counted.

        Raises:
            UnknownNameError: There is no such source.
        """
        from headrace.online.browsing import browse

        names = self._names.source_names() if source is None else [self._names.of_source(source)[0].name]
        edges = [None if each is None else instant(each) for each in (since, until)]
        with self.online.snapshot() as snapshot:
            return browse(snapshot, names, rule, edges[0], edges[1], limit)

    def replay(self, source: str, *, rule: str | None = None) -> Replayed:
        """Push quarantined rows of a source again, by the rules of today and with their own times.

        Rows of batches come in by the next load of themselves.

        Args:
            source: The source.
            rule: Only rows that break it.

        Raises:
            UnknownNameError: There is no such source.
            DataError: It has no stream.
            ConflictError: Somebody else replays the same rows at the same time.
        """
        from headrace.online.browsing import replay

        stream = self._names.stream(source)
        return replay(self.online, stream, source, rule, self._parts.clock.now())

    def get_online_features(
        self,
        features: Sequence[str] | FeatureService | None = None,
        entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | None = None,
        *,
        service: str | FeatureService | None = None,
        context: Mapping[str, Any] | None = None,
        as_of: str | int | dt.datetime | None = None,
        full_feature_names: bool = False,
        entity_rows: Sequence[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> OnlineFeatures:
        """Features of some entities now, or as of an instant the stored state reaches.

        Args:
            features: References such as `"user_ads:ctr_7d"`.
            entities: Join key -> values; request fields that differ by entity beside them.
            service: A service instead of features.
            context: Request fields with one value for all entities.
            as_of: The instant to answer for; the present by default.
            full_feature_names: Name columns `view__feature`.
            entity_rows: The entities as rows, by Feast's name.
            timeout: Seconds after which what is not there yet is INVALID, "deadline"; no end by default. A
                look into the store and a function's call are not broken off.

        Raises:
            AsOfTooEarly: `as_of` is before the state of every entity.
            UnknownNameError: A feature or service does not exist.
            DataError: The entities lack a join key or request field; neither or both of features and service
                are given; the timeout is no length of time.
            DefinitionError: Two columns would share a name, or a text is no reference.
            NotLoadedError: A view was never loaded nor pushed to, or no known definition made its records.
            StoreError: The code of an on-demand feature is not the code that was applied.
        """
        question = self._question(
            features,
            entity_rows if entities is None else entities,
            service=service,
            context=context,
            as_of=as_of,
            full_feature_names=full_feature_names,
            timeout=timeout,
        )
        return self._parts.serving.answer(question)

    async def get_online_features_async(
        self, features: Any = None, entities: Any = None, *, entity_rows: Any = None, **more: Any
    ) -> OnlineFeatures:
        """`get_online_features`, with the same arguments, from an event loop, which does not wait for it.

        Requests of one turn of the loop ask Redis together. End with `close_async` in the same loop.
        """
        question = self._question(features, entity_rows if entities is None else entities, **more)
        return await self._parts.serving.answer_async(question)

    def _question(
        self,
        features: Sequence[str] | FeatureService | None,
        entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | None,
        *,
        service: str | FeatureService | None = None,
        context: Mapping[str, Any] | None = None,
        as_of: str | int | dt.datetime | None = None,
        full_feature_names: bool = False,
        timeout: float | None = None,
    ) -> Answering:
        """A request, which can be begun as often as it takes."""
        from headrace.online.entities import by_column, fields_of
        from headrace.online.serving import Answering
        from headrace.served_requests import Request

        deadline = _until(timeout)
        served = self._parts.current.request(Request.of(features, service, full=full_feature_names))
        at = None if as_of is None else instant(as_of)
        now = self._parts.clock.now()
        given, fields = by_column(entities), fields_of(context)
        return Answering(
            lambda: served.answering(given, fields, now, at, deadline),
            len(next(iter(given.values()), "")),
            served.runs_functions,
        )

    def served_log(
        self,
        since: str | int | dt.datetime,
        until: str | int | dt.datetime | None = None,
        *,
        service: str | None = None,
    ) -> pa.Table:
        """What entities that are logged were answered, oldest first; see `[serving] log`.

        Args:
            since: The first instant of serving.
            until: The first instant after; now by default.
            service: Only answers for this service, `"ctr_model@1"`.

        Raises:
            StoreError: The settings name no log.
            DataError: A join key has had types that do not go together.
        """
        from headrace.online.served_files import rows_between

        log, end = self._parts.served_log, self._parts.clock.now() + 1 if until is None else instant(until)
        if log is None:
            raise StoreError(
                "There is no served log.", remedy='Set [serving] log = ".headrace/served" in headrace.toml.'
            )
        log.flush()
        return rows_between(log.directory, instant(since), end, service)

    def consistency(
        self,
        last: str | None = None,
        *,
        since: str | int | dt.datetime | None = None,
        until: str | int | dt.datetime | None = None,
        views: Sequence[str] | None = None,
        examine: int = 10_000,
        progress: Progress = _silent,
    ) -> Consistency:
        """Compute what the served log says was served once more from history, and tell why it differs.

        Answers for instants of which the batch may still lack events wait: those within the source's
        `lateness`, or after its `complete_until`.

        Args:
            last: How far back answers are looked at, such as `"1d"`, which is the default.
            since: From which instant of serving on, in place of `last`.
            until: The first instant after; now by default.
            views: Names of views, `"user_ads"` or `"user_ads@1"`; all that were served by default.
            examine: How many answers that differ are looked into for causes, of each view in 100,000 rows.
            progress: Hears how far the engine is.

        Raises:
            StoreError: The settings name no served log.
            DataError: A source cannot be read; both `last` and `since` are given.
        """
        from headrace.consistency import Question, check, span_of

        begin, end = span_of(last, since, until, self._parts.clock.now())
        return check(self._parts, Question(begin, end, views, examine), progress)

    def last_consistency(self) -> dict[str, Any] | None:
        """The document of the newest consistency report on all views; None before the first."""
        from headrace.consistency import last_report

        return last_report(self.settings.directory)

    @property
    def logged(self) -> LogCounts | None:
        """What became of the rows this process has logged; None where nothing is logged."""
        log = self._parts.served_log
        return None if log is None else log.counts

    @property
    def result_cache(self) -> ResultCache:
        """Results of on-demand functions that say `cache`: its `hits`, `misses` and `size` may be watched."""
        return self._parts.results

    @property
    def store_waits(self) -> Histogram:
        """How long this process has waited for each look into the store that requests are answered from."""
        return self._parts.serving.waits

    def copy_behind(self) -> int | None:
        """How many records wait to be copied to what is served; None where none are, from this host."""
        return self._parts.copy_behind()

    def check_serving(self) -> None:
        """Find out whether registry and online store answer.

        Raises:
            StoreError: One of them does not.
        """
        self.registry.counter()
        self._parts.serving.check()

    async def close_async(self) -> None:
        """Let go of what reads opened in the running event loop."""
        await self._parts.serving.close_async()

    def bindings(self) -> list[Binding]:
        """The live views as engines and loads see them."""
        return self._names.live(None)

    # --- care ---

    def forget(
        self,
        entity: str | Entity,
        entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
    ) -> Forgotten:
        """Remove people, and what was known of them until now, from all that this project keeps.

        Records of the online store and its copy, logs of pushes, quarantine and the served log. What has
        their keys among its own, such as a pair of a user and an ad, goes too. Nothing that was known of them
        until now comes in again, by loads or pushes. Files of sources and training sets are yours to delete.

        Args:
            entity: The entity, or its name.
            entities: Join key -> values, or rows: whom to forget.
            dry_run: Only tell what would be removed.

        Raises:
            UnknownNameError: There is no such entity.
            DataError: The entities lack a join key, or nobody is named.
            StoreError: The store cannot be used; what is done is done, run it again.
        """
        from headrace.erasure import forget

        name = entity if isinstance(entity, str) else entity.name
        return forget(self._parts, name, entities, dry_run=dry_run)

    def doctor(self) -> list[Check]:
        """Whether registry, definitions and online store can be used, and what is in them."""
        from headrace.doctor import Patient, examine

        return examine(
            Patient(
                features=lambda: len(self.list_features()),
                changes=lambda: len(self.plan().rows()),
                views=self.bindings,
                is_online_here=lambda: self._parts.is_online_here,
                online=lambda: self.online,
                check_serving=self.check_serving,
            )
        )
