"""What ingestion counted on this host, as samples of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headrace.online.tallies import Tally

__all__ = ["counters", "gauges", "histograms"]


def counters(tallies: Mapping[str, Tally]) -> Iterator[tuple[str, float]]:
    """What only grows: (sample, its sum)."""
    for source, tally in tallies.items():
        for outcome in ("accepted", "duplicates", "late", "rejected"):
            labels = _labels(source=source, outcome=outcome)
            yield f"headrace_ingested_messages_total{labels}", tally.messages.get(outcome, 0)
        labels = _labels(source=source)
        yield f"headrace_ingested_batches_total{labels}", tally.batches
        yield f"headrace_ingest_gaps_total{labels}", tally.gaps
        yield f"headrace_ingest_failures_total{labels}", tally.failures


def gauges(tallies: Mapping[str, Tally]) -> Iterator[tuple[str, float]]:
    """What is so at the moment: (sample, its value)."""
    for source, tally in tallies.items():
        yield f"headrace_ingest_waits{_labels(source=source)}", tally.waits
        for partition, far in tally.behind.items():
            yield f"headrace_ingest_behind{_labels(source=source, partition=partition)}", far


def histograms(tallies: Mapping[str, Tally]) -> Iterator[tuple[str, Sequence[float]]]:
    """What is spread: (sample, its buckets)."""
    for source, tally in tallies.items():
        yield f"headrace_ingest_visible_seconds{_labels(source=source)}", tally.visible


def _labels(**labels: str) -> str:
    """Labels as Prometheus reads them: a partition may be any file's name."""
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items()) + "}"


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
