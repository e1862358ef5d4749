"""Errors on their way from a worker to the caller: Spark hands over only their text."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace import errors
from headrace.errors import HeadraceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from headrace.engines.spark.crossing import Work

__all__ = ["SentError", "carried", "sending"]


class SentError(Exception):
    """An error of ours as JSON."""


def sending(work: Work) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The work as Spark runs it in a worker, its errors written so that they can be read again."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from work.run(batches)
        except HeadraceError as error:
            told = [type(error).__name__, error.message, error.asked, error.available, error.remedy]
            raise SentError(json.dumps(told)) from None

    return run


@contextmanager
def carried() -> Iterator[None]:
    """What fails in Spark is an error of ours: the one a worker sent, or a StoreError."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        sent = re.search(rf"{SentError.__name__}: (\[.*\])", text)
        if sent is None:
            raise StoreError(
                f"Spark failed: {_last_line(text)}.",
                remedy="Are Headrace and its packages there where Spark's workers run?"
                if "ModuleNotFoundError" in text
                else "",
            ) from error
        name, message, asked, available, remedy = json.loads(sent[1])
        kind: type[HeadraceError] = getattr(errors, name)
        raise kind(message, asked=asked, available=available, remedy=remedy) from None


def _last_line(text: str) -> str:
    """What a traceback ends with, where the text is one; else how it begins."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    return (lines[-1] if any(line.startswith("Traceback") for line in lines) else lines[0]).rstrip(".")
