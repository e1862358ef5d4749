"""The catalogue of aggregations, by the names they have in definitions: `agg.count(...)`, `agg.sum(...)`, ...

A new aggregation is its file in `headrace.aggregations`, a line here, and its row in the docs.
"""

from __future__ import annotations

from headrace.aggregations.base import Aggregation

CATALOGUE: dict[str, type[Aggregation]] = {
    each.kind: each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, Aggregation) and each.kind
}
"""Every aggregation by its kind."""
