"""Training sets, from names to rows: labels are resolved, sets are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.clock import format_instant, instant
from headrace.definitions.label import Label
from headrace.errors import DataError
from headrace.offline.historical import Making
from headrace.offline.sampling import Negatives
from headrace.offline.spine import Spine
from headrace.offline.training import Labels, training_set

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from headrace.config import Settings
    from headrace.kernel.labels import LabelBinding
    from headrace.offline.training import TrainingSet
    from headrace.ports.engine import Engine, Progress
    from headrace.resolution import Chosen, Resolution
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
        needed = {**asked.keys, **plan.request, **plan.keys}
        _check_types(plan, asked)
        rows = Spine.read(spine, timestamp, needed, asked.touch_ids)
        fingerprints = self._names.fingerprints(member.reference.definition for member in plan.members)
        settings = self._settings
        made = Making(
            self._engine,
            settings.offline.engine,
            self._now,
            chosen.service,
            fingerprints,
            settings.directory,
            full,
        )
        return training_set(plan, rows, asked, made, progress)


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
