"""Training sets, from names to rows: labels are resolved, sets are made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.clock import format_instant, instant
from headrace.definitions.label import Label
from headrace.definitions.references import parse_reference
from headrace.errors import DataError
from headrace.offline.historical import Making, historical
from headrace.offline.rebuild import check_definitions, check_rows, check_sources, check_spine, read_manifest
from headrace.offline.sampling import Negatives
from headrace.offline.spine import Spine
from headrace.offline.training import Labels, inputs_read, training_set
from headrace.resolution import Chosen
from headrace.tables import without_views

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Mapping, Sequence

    from headrace.config import Settings
    from headrace.kernel.label_binding import LabelBinding
    from headrace.offline.dataset import HistoricalFeatures
    from headrace.offline.looks_ahead import LooksAhead
    from headrace.offline.training import TrainingSet
    from headrace.ports.engine import Engine, Progress
    from headrace.resolution import Resolution
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["TrainingSets"]


class TrainingSets:
    """Makes training sets of one project, at one instant."""

    def __init__(self, names: Resolution, engine: Engine, settings: Settings, now: int) -> None:
        """For a project.

        Args:
            names: What names stand for.
            engine: What computes.
            settings: The project's.
            now: The present, microseconds UTC.
        """
        self._names = names
        self._engine = engine
        self._settings = settings
        self._now = now

    def labels(
        self,
        labels: Sequence[str | Label] | str | Label,
        as_of: str | int | dt.datetime | None,
        immature: str,
        negatives: float | None,
        seed: int,
    ) -> Labels:
        """What is asked of labels, resolved; see `FeatureStore.get_training_set`.

        Raises:
            DataError: `as_of` is in the future, or a choice is none.
            UnknownNameError: There is no such label.
            DefinitionError: A label does not fit its sources, or is asked for twice.
        """
        given = [labels] if isinstance(labels, str | Label) else list(labels)
        bound = [self._bound(each) for each in given]
        return Labels(
            bound,
            self._until(as_of, [binding for binding, _ in bound]),
            immature,
            None if negatives is None else Negatives(negatives, seed),
        )

    def _bound(self, given: str | Label) -> tuple[LabelBinding, str]:
        label = given if isinstance(given, Label) else self._names.label(given)
        return self._names.bound_label(label, self._engine.infer_schema)

    def _until(self, as_of: str | int | dt.datetime | None, labels: Sequence[LabelBinding]) -> int:
        """What counts as known: by default what is so old that the batch should have it."""
        if as_of is None:
            late = [side.lateness for each in labels for side in each.sides]
            return self._now - max(late, default=0)
        until = instant(as_of)
        if until > self._now:
            raise DataError(
                f"Nobody knows yet what will be known at {format_instant(until)}.",
                asked=as_of,
                remedy=f"Give an as_of up to the present, {format_instant(self._now)}.",
            )
        return until

    def make(
        self,
        spine: Any,
        timestamp: str,
        chosen: Chosen,
        asked: Labels,
        progress: Progress,
        *,
        full: bool,
    ) -> TrainingSet:
        """A training set; see `FeatureStore.get_training_set`.

        Raises:
            DataError: The spine or a source cannot be used.
            DefinitionError: Two columns would share a name, or have two types.
        """
        plan = self._names.retrieval(chosen, full=full)
        rows = _read(spine, timestamp, plan, asked)
        return training_set(plan, rows, asked, self._making(plan, chosen, self._now, full=full), progress)

    def historical(
        self, spine: Any, timestamp: str, chosen: Chosen, progress: Progress, *, full: bool
    ) -> HistoricalFeatures:
        """Features without labels; see `FeatureStore.get_historical_features`.

        Raises:
            DataError: The spine or a source cannot be used.
            DefinitionError: Two columns would share a name.
        """
        plan = self._names.retrieval(chosen, full=full)
        rows = Spine.read(spine, timestamp, {**plan.keys, **plan.request})
        return historical(plan, rows, self._making(plan, chosen, self._now, full=full), progress)

    def rebuild(
        self, given: Mapping[str, Any] | str | os.PathLike[str], spine: Any, progress: Progress
    ) -> TrainingSet:
        """The training set of a manifest, made again; see `FeatureStore.rebuild_training_set`.

        Raises:
            DataError: Something it was made of has changed, or is not given; the text names it.
            UnknownNameError: A feature or label does not exist any more.
        """
        manifest = read_manifest(given)
        labels = [self._bound(each["label"]) for each in manifest["labels"]]
        sampled = manifest["negatives"]
        negatives = None if sampled is None else Negatives(sampled["share"], sampled["seed"])
        asked = Labels(labels, instant(manifest["as_of"]), manifest["immature"], negatives)
        members = tuple(parse_reference(each["feature"]) for each in manifest["features"])
        chosen = Chosen(members, manifest["service"])
        now = self._names.fingerprints(member.definition for member in members)
        fingerprints = {str(member): now[member.definition] for member in members}
        check_definitions(manifest, fingerprints | {binding.id: found for binding, found in labels})

        full = manifest["full_feature_names"]
        plan = self._names.retrieval(chosen, full=full)
        rows = _read(self._spine(manifest, spine), manifest["spine"]["timestamp"], plan, asked)
        check_spine(manifest, rows)
        inputs = inputs_read(plan, asked, self._settings.directory)
        check_sources(manifest, inputs.facts)
        making = self._making(plan, chosen, instant(manifest["created_at"]), full=full)
        made = training_set(plan, rows, asked, making, progress, inputs)
        check_rows(manifest, made.manifest["sha256"])
        return replace(made, facts=manifest)

    def looks_ahead(self, dataset: HistoricalFeatures, rows: int, seed: int) -> LooksAhead:
        """What of a training set looks ahead; see `FeatureStore.looks_ahead`.

        Raises:
            DataError: A source cannot be read.
        """
        from headrace.offline.looks_ahead import looks_ahead

        origin = dataset.origin
        chosen = Chosen(tuple(parse_reference(each.feature) for each in origin.features), origin.service)
        full = bool(dataset.manifest.get("full_feature_names"))
        plan = self._names.retrieval(chosen, full=full)
        labels = getattr(dataset, "labels", ())
        return looks_ahead(
            dataset, plan, labels, self._making(plan, chosen, self._now, full=full), rows, seed
        )

    def _spine(self, manifest: Mapping[str, Any], given: Any) -> Any:
        if given is not None:
            return given
        path = manifest["spine"]["path"]
        if path is None:
            raise DataError(
                "The spine of this training set was a table in memory.",
                asked="spine",
                remedy="Give the spine beside the manifest.",
            )
        return self._settings.directory / path

    def _making(self, plan: RetrievalPlan, chosen: Chosen, at: int, *, full: bool) -> Making:
        fingerprints = self._names.fingerprints(member.reference.definition for member in plan.members)
        name, directory = self._settings.offline.engine, self._settings.directory
        return Making(self._engine, name, at, chosen.service, fingerprints, directory, full)


def _read(spine: Any, timestamp: str, plan: RetrievalPlan, asked: Labels) -> Spine:
    _check_types(plan, asked)
    needed = {**asked.keys, **plan.request, **plan.keys}
    rows = Spine.read(spine, timestamp, needed, asked.touch_ids)
    return replace(rows, table=without_views(rows.table))


def _check_types(plan: RetrievalPlan, asked: Labels) -> None:
    """Check that a column of the spine is of one type for features and labels."""
    for binding, _ in asked.bindings:
        for name, of in binding.keys.items():
            other = {**plan.request, **plan.keys, **asked.keys}[name]
            if other != of:
                raise binding.label.error(
                    f"its key {name!r} is {of}, and {other} elsewhere in the training set.",
                    asked=name,
                    remedy="Declare one type for the column.",
                )
