"""Feature tests in pytest, or anywhere else in Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.aggregations.base import written_at
from headrace.testing.feature_tests.case import FeatureTest

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.definitions.base import Definition

__all__ = ["assert_features"]


def assert_features(  # noqa: PLR0913 - the fields of a FeatureTest, by keyword
    definitions: str | os.PathLike[str] | Definition | Iterable[Definition],
    *,
    events: Mapping[str, Sequence[Mapping[str, Any]]],
    expected: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    at: str | int | dt.datetime | Sequence[str | int | dt.datetime] | None = None,
    as_of: str | int | dt.datetime | None = None,
    entity: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    view: str = "",
    service: str = "",
    tolerance: float | None = None,
    online: bool = True,
    timezone: str = "UTC",
) -> None:
    """Assert that literal events make the expected features, in history and online.

    Args:
        definitions: A project's directory; or views, services, on-demand features and labels.
        events: Source -> its rows; a column that a row leaves out is null there.
        expected: Feature -> its value at `at`, or a list of values where `at` is a list; or rows, each with
            the entity's keys, `at` and features. A value is the value itself, or a mapping with `value`,
            `status` and `tolerance`, each of which may be left out. Labels stand there as features do.
        at: The instant, or instants, of the question.
        as_of: What was not known before this instant counts for no label; by default all counts.
        entity: The entity's keys.
        context: Request fields of on-demand features.
        view: Features without a view are this one's.
        service: Features without a view are this service's columns.
        tolerance: How far doubles may be away; a millionth of the value by default.
        online: Whether the online path is asked too.
        timezone: The zone of days, weeks and months, where definitions are given; a project has its own.

    Raises:
        AssertionError: A value is not as expected; the text has tables of the values and of the events.
        HeadraceError: The definitions or the test are wrong.
    """
    test = FeatureTest(
        "features",
        events=events,
        expected=expected,
        at=at,
        as_of=as_of,
        entity=entity or {},
        context=context or {},
        view=view,
        service=service,
        tolerance=tolerance,
        online=online,
        written=written_at(),
    )
    outcome = _run(definitions, test, timezone)
    if outcome.error is not None:
        raise outcome.error
    if outcome.failures:
        raise AssertionError(outcome.told())


def _run(definitions: Any, test: FeatureTest, timezone: str) -> Any:
    from headrace.config import read_settings
    from headrace.definitions.base import Definition
    from headrace.definitions.loading import load_definitions
    from headrace.testing.feature_tests.trial import Trial

    directory, zone = Path(), timezone
    if isinstance(definitions, (str, os.PathLike)):
        settings = read_settings(definitions)
        directory, zone = settings.directory, settings.project.timezone
        definitions = load_definitions(directory, settings.project.definitions)
    given = [definitions] if isinstance(definitions, Definition) else list(definitions)
    with Trial(given, directory, zone) as trial:
        return trial.run(test)
