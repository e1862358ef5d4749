"""The Open Bandit log: 60,000 impressions of a fashion shop in November 2019, 287 of them clicked.

One row is one impression, and its click is a flag in the same row, not an event of its own: the log has no
click time, so a separate click event could only carry an invented one. Features count impressions with no
filter and clicks with `where="click = 1"`; both see exactly the rows whose `ts` lies in the window. What this
leaves out, a click arriving after its impression, the household data shows instead (its redemptions have an
`available_at`).

Columns:
    event_id: string, unique: policy, campaign and the row's number in its own log, as in `random/men/00042`.
    ts: timestamp (microseconds, UTC), ascending. The hours are real UTC: traffic is lowest at 19h, 4 a.m. in
        Japan.
    policy: `random` or `bts` (Bernoulli Thompson sampling), the policy that chose the item.
    campaign: `all`, `men` or `women`. Item numbers restart in each campaign: an item is (campaign, item_id).
    item_id: int64, 0 to 79 in `all`, 0 to 33 in `men`, 0 to 45 in `women`.
    position: int64, 1 left, 2 middle, 3 right.
    click: int64, 0 or 1.
    propensity_score: double, the policy's probability of showing that item at that position.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from headrace.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOG", "NOTICES", "write_open_bandit"]

LOG = "open_bandit.parquet"
NOTICES = ("ATTRIBUTION.md", "LICENSE-CC-BY-4.0.txt", "LICENSE-obp.txt")
"""What must travel with the log, as its licences ask."""


def write_open_bandit(directory: Path) -> Path:
    """Copy the shipped log, its attribution and its licences into a directory.

    Args:
        directory: Where to; made if missing. Files of the same names are replaced, each in one step.

    Returns:
        The path of the Parquet file.

    Raises:
        StoreError: The directory cannot be written.
    """
    shipped = resources.files("headrace.demo") / "data"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in (*NOTICES, LOG):
            part = directory / f"{name}.part"
            part.write_bytes((shipped / name).read_bytes())
            part.replace(directory / name)
    except OSError as error:
        raise StoreError(
            f"{directory} cannot be written: {error}", asked=directory, remedy="Choose another directory."
        ) from error
    return directory / LOG
