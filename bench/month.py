"""A month of a log in files by day of arrival: one load of all of it against a load for each day."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from bench.inputs import START_US, US_PER_DAY, US_PER_SECOND
from bench.ours import WINDOWS, applied, definitions_of_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.inputs import Inputs

__all__ = ["daily", "load", "once"]


def once(inputs: Inputs) -> Callable[[], object]:
    """All files, loaded at once."""
    store, files = _store(inputs, "once")
    for day in range(inputs.log.span_days):
        _arrive(inputs, files, day)
    return lambda: store.materialize(end=_end(inputs.log.span_days))


def daily(inputs: Inputs) -> Callable[[], object]:
    """A load for each day, of what has arrived until then."""
    store, files = _store(inputs, "daily")

    def month() -> None:
        for day in range(inputs.log.span_days):
            _arrive(inputs, files, day)
            store.materialize(end=_end(day + 1))

    for day in range(inputs.log.span_days):
        _file(inputs, day)
    return month


def load(inputs: Inputs, *, memory: int) -> Callable[[], object]:
    """One load of the log in one file, in a budget of so many megabytes."""
    store = applied(inputs.cache, definitions_of_events(inputs, "plain", WINDOWS), memory)
    return lambda: store.materialize(end=_end(inputs.log.span_days))


def _store(inputs: Inputs, name: str) -> tuple[Any, Path]:
    files = inputs.cache / f"month-{name}"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    _arrive(inputs, files, 0)
    text = definitions_of_events(inputs, "plain", WINDOWS)
    return applied(
        inputs.cache, text.replace(str(inputs.events.resolve()), f"{files.resolve()}/*.parquet")
    ), files


def _arrive(inputs: Inputs, files: Path, day: int) -> None:
    """Put the file of a day where the store looks; hard links cost nothing."""
    link = files / f"{day:02}.parquet"
    if not link.exists():
        link.hardlink_to(_file(inputs, day))


def _file(inputs: Inputs, day: int) -> Path:
    """The file of what arrived on a day."""
    directory = inputs.cache / f"{inputs.events.stem}-by-day"
    path = directory / f"{day:02}.parquet"
    if not path.exists():
        directory.mkdir(exist_ok=True)
        start = START_US + day * US_PER_DAY
        duckdb.sql(
            f"COPY (SELECT * FROM '{inputs.events}' WHERE epoch_us(available_at) >= {start} "
            f"AND epoch_us(available_at) < {start + US_PER_DAY}) TO '{path}' (FORMAT parquet)"
        )
    return path


def _end(days: int) -> str:
    return datetime.fromtimestamp((START_US + days * US_PER_DAY) / US_PER_SECOND, tz=UTC).isoformat()
