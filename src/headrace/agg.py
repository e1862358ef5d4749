"""The catalogue of aggregations, by the names they have in definitions: `agg.count(...)`, `agg.sum(...)`, ...

A new aggregation is its file in `headrace.aggregations`, its line and name here, and its row in the docs.
"""

from __future__ import annotations

from headrace.aggregations.active import ActiveDays as active_days  # noqa: N813 - called like functions
from headrace.aggregations.active import ActiveHours as active_hours  # noqa: N813
from headrace.aggregations.base import Aggregation
from headrace.aggregations.count import Count as count  # noqa: N813 - called like functions in definitions
from headrace.aggregations.covariance import Correlation as correlation  # noqa: N813
from headrace.aggregations.covariance import Covariance as covariance  # noqa: N813
from headrace.aggregations.decay import DecayedCount as decayed_count  # noqa: N813
from headrace.aggregations.decay import DecayedSum as decayed_sum  # noqa: N813
from headrace.aggregations.distinct import Distinct as distinct  # noqa: N813
from headrace.aggregations.edge import First as first  # noqa: N813
from headrace.aggregations.edge import Last as last  # noqa: N813
from headrace.aggregations.entropy import Entropy as entropy  # noqa: N813
from headrace.aggregations.extreme import Max as max  # noqa: A004, N813
from headrace.aggregations.extreme import Min as min  # noqa: A004, N813
from headrace.aggregations.first_k import FirstK as first_k  # noqa: N813
from headrace.aggregations.histogram import Histogram as histogram  # noqa: N813
from headrace.aggregations.last_distinct_k import LastDistinctK as last_distinct_k  # noqa: N813
from headrace.aggregations.last_k import LastK as last_k  # noqa: N813
from headrace.aggregations.mean import Mean as mean  # noqa: N813
from headrace.aggregations.mean_gap import MeanGap as mean_gap  # noqa: N813
from headrace.aggregations.mode import Mode as mode  # noqa: N813
from headrace.aggregations.moments import Stddev as stddev  # noqa: N813
from headrace.aggregations.moments import Variance as variance  # noqa: N813
from headrace.aggregations.quantile import Quantile as quantile  # noqa: N813
from headrace.aggregations.rate import Rate as rate  # noqa: N813
from headrace.aggregations.recency import Recency as recency  # noqa: N813
from headrace.aggregations.sessions import Sessions as sessions  # noqa: N813
from headrace.aggregations.streak import Streak as streak  # noqa: N813
from headrace.aggregations.sum import Sum as sum  # noqa: A004, N813
from headrace.aggregations.top_k import TopK as top_k  # noqa: N813

__all__ = [
    "CATALOGUE",
    "active_days",
    "active_hours",
    "correlation",
    "count",
    "covariance",
    "decayed_count",
    "decayed_sum",
    "distinct",
    "entropy",
    "first",
    "first_k",
    "histogram",
    "last",
    "last_distinct_k",
    "last_k",
    "max",
    "mean",
    "mean_gap",
    "min",
    "mode",
    "quantile",
    "rate",
    "recency",
    "sessions",
    "stddev",
    "streak",
    "sum",
    "top_k",
    "variance",
]

CATALOGUE: dict[str, type[Aggregation]] = {
    each.kind: each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, Aggregation) and each.kind
}
"""Every aggregation by its kind."""
