"""Labels in a feature test: which columns they are, and which events are credited to a row."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import format_instant
from headrace.kernel.clean import KNOWN, TIME, condition_column
from headrace.offline.training import Labels, label_columns
from headrace.schema import Type
from headrace.testing.feature_tests.counting import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headrace.definitions.source import Source
    from headrace.kernel.label_binding import EventsBinding, LabelBinding
    from headrace.resolution import Resolution
    from headrace.schema import Schema
    from headrace.testing.feature_tests.case import FeatureTest
    from headrace.testing.feature_tests.outcome import Counted

    Over = Callable[[EventsBinding], EventsBinding]

__all__ = ["LabelColumn", "asked_labels", "behind"]


class LabelColumn(NamedTuple):
    """A column of a training set that a label makes.

    Attributes:
        label: The label.
        type: The column's type.
    """

    label: LabelBinding
    type: Type


def asked_labels(
    test: FeatureTest,
    wanted: Iterable[str],
    names: Resolution,
    read_schema: Callable[[Source], Schema],
    over: Over,
) -> tuple[Labels, dict[str, LabelColumn]]:
    """The labels a test asks for, and their columns, as a training set calls them.

    Args:
        test: The test.
        wanted: The names of the labels.
        names: Finds definitions.
        read_schema: Reads the schema of a source that declares none.
        over: Puts a test's events under a label's source.

    Raises:
        DefinitionError: A label does not fit its sources.
    """
    found = []
    for name in wanted:
        bound, fingerprint = names.bound_label(names.label(name), read_schema)
        touches = None if bound.touches is None else over(bound.touches)
        found.append((dataclasses.replace(bound, events=over(bound.events), touches=touches), fingerprint))
    columns: dict[str, LabelColumn] = {}
    for (bound, _), called in zip(
        found, label_columns([bound.label.name for bound, _ in found]), strict=True
    ):
        types = (bound.type, Type("bool"), Type("double"))
        columns |= {name: LabelColumn(bound, of) for name, of in zip(called, types, strict=True)}
    return Labels(found, test.until()), columns


def behind(
    label: LabelBinding,
    events: Mapping[str, Sequence[Mapping[str, Any]]],
    entity: Mapping[str, Any],
    at: int,
    as_of: int,
) -> list[Counted]:
    """Every event of a label's sides, and whether it is a touch, or can be credited to the row's.

    Which of several touches has the credit is not judged here: touches are listed, so that one sees them.

    Args:
        label: The label, over the test's events.
        events: Source -> its rows as they are written.
        entity: The row's keys.
        at: The row's instant.
        as_of: What was not known before this instant does not count.
    """
    within = int(label.label.within)
    found: list[Counted] = []
    for side in label.sides:
        log = Log(side, events.get(side.source.name, ()))

        def why(cells: Mapping[str, Any], side: EventsBinding = side) -> tuple[bool, str]:
            return _judged(side, cells, at, None if side is label.touches else within, as_of)

        found += log.judged(entity, why)
    return found


def _judged(
    side: EventsBinding, cells: Mapping[str, Any], at: int, within: int | None, as_of: int
) -> tuple[bool, str]:
    time, known = cells[TIME], cells[KNOWN]
    if known >= as_of:
        return False, f"known {format_instant(known)}, not before as_of"
    if side.where is not None and not cells[condition_column(side.where)]:
        return False, f"not {side.where}"
    if within is None:
        return True, "the row's touch" if time == at else "another touch"
    if time < at:
        return False, "before the row"
    if time >= at + within:
        return False, f"after the label's span, which ends {format_instant(at + within)}"
    return True, "in the label's span"
