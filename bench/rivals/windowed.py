"""Windowed count, sum and count-where by hand-written DuckDB SQL: the hop rule over four windows.

The two best forms are kept: `running_sums` and `asof`. Both first drop the events that no window can reach.
Seconds at 10M events, 200k lognormal users, 1M spine rows, DuckDB 2.0, two quiet cores:

    4.8   running_sums (9.3 of processor time, 0.8 GB)
    5.8   asof (11.4 of processor time, 3.5 GB)
    1.4   read_and_sort, no features at all (2.8 of processor time, 1.1 GB)

The others, on the same data while the cores were partly shared (running_sums then took 5.0 to 5.2, asof 9.1):

    4.6   running sums over one global order, `sum(..) OVER (ROWS UNBOUNDED PRECEDING)` on a sorted subquery.
          Left out: it trusts an order that SQL does not promise, and subtracts sums over all users, whose
          last digit is 2e-9 here, more than the agreement allows a window of one cheap event
    8.3   running_sums with GROUP BY as the pivot instead of four joins
    13.2  hash join on the user, filter on time, GROUP BY; without end on a hot key
    13.5  RANGE frames, each row with a width of its own, over the union of events and spine
    17.8  day tiles joined by range, the newest two days and the broken first day from raw events
    18.9  the RANGE frames over running sums, `first_value` only; 42.8 with IGNORE NULLS
    20.1  asof without dropping what no window can reach
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from bench.rivals.hop_rule import LONGEST, WINDOWS, edge

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from bench.inputs import Inputs

OUTPUTS = (("n", "BIGINT", "events"), ("x", "DOUBLE", "spend"), ("k", "BIGINT", "clicks"))
RUNNING = "PARTITION BY user_id ORDER BY t ROWS UNBOUNDED PRECEDING"


def running_sums(inputs: Inputs) -> Callable[[], pa.Table]:
    """Events and the five instants of every spine row in one order; running sums; differences by self-joins.

    Instants are doubled and events made odd, so that an instant comes before the events that share it.
    """
    instants = "\n".join(
        f"UNION ALL SELECT user_id, 2 * {edge(w, 't')}, request_id * 8 + {i}, 0, 0 FROM spine"
        for i, w in enumerate(WINDOWS, 1)
    )
    points = ",\n".join(
        f"p{i} AS (SELECT id >> 3 AS request_id, n, x, k FROM sums WHERE id >= 0 AND id & 7 = {i})"
        for i in range(len(WINDOWS) + 1)
    )
    joins = " ".join(f"JOIN p{i} USING (request_id)" for i in range(1, len(WINDOWS) + 1))
    return query(f"""
        WITH spine AS MATERIALIZED (SELECT request_id, user_id, epoch_us(ts) AS t FROM '{inputs.spine}'),
        line AS (
            SELECT user_id, 2 * epoch_us(ts) + 1 AS t, -1::BIGINT AS id, price,
                (event = 'click')::INT AS click
            FROM '{inputs.events}' {reachable()}
            UNION ALL SELECT user_id, 2 * t, request_id * 8, 0, 0 FROM spine
            {instants}),
        sums AS (
            SELECT id, sum((id < 0)::INT) OVER w AS n, sum(price) OVER w AS x, sum(click) OVER w AS k
            FROM line WINDOW w AS ({RUNNING})),
        {points}
        SELECT request_id, {", ".join(_difference(w, "p0", f"p{i}") for i, w in enumerate(WINDOWS, 1))}
        FROM p0 {joins}""")


def asof(inputs: Inputs) -> Callable[[], pa.Table]:
    """Running sums of the events (ties share theirs), and one ASOF join for the instant and for each edge."""
    joins = "\n".join(
        f"ASOF LEFT JOIN sums AS p{w} ON spine.user_id = p{w}.user_id AND {edge(w, 'spine.t')} > p{w}.t"
        for w in WINDOWS
    )
    return query(f"""
        WITH spine AS (SELECT request_id, user_id, epoch_us(ts) AS t FROM '{inputs.spine}'),
        sums AS MATERIALIZED (
            SELECT user_id, epoch_us(ts) AS t, count(*) OVER w AS n, sum(price) OVER w AS x,
                sum((event = 'click')::INT) OVER w AS k
            FROM '{inputs.events}' {reachable()}
            WINDOW w AS (PARTITION BY user_id ORDER BY epoch_us(ts) RANGE UNBOUNDED PRECEDING))
        SELECT request_id, {", ".join(_difference(w, "p0", f"p{w}") for w in WINDOWS)}
        FROM spine ASOF LEFT JOIN sums AS p0 ON spine.user_id = p0.user_id AND spine.t > p0.t
        {joins}""")


def read_and_sort(inputs: Inputs, *, knowledge: bool = False) -> Callable[[], pa.Table]:
    """No features at all: read the columns, order them by entity and time, fetch them to Arrow."""
    more = ", available_at, event_id" if knowledge else ""
    return query(f"SELECT user_id, ts, price, event{more} FROM '{inputs.events}' ORDER BY user_id, ts")


def reachable(spine: str = "spine") -> str:
    """The WHERE clause that drops events older than the longest window of the oldest spine row."""
    return f"WHERE epoch_us(ts) >= (SELECT min({edge(LONGEST, 't')}) FROM {spine})"


def _difference(window: str, upper: str, lower: str) -> str:
    return ", ".join(
        f"(coalesce({upper}.{column}, 0) - coalesce({lower}.{column}, 0))::{of} AS {name}_{window}"
        for column, of, name in OUTPUTS
    )


def query(sql: str) -> Callable[[], pa.Table]:
    """The call that runs `sql` on a connection of its own; order of rows is free."""
    connection = duckdb.connect(config={"preserve_insertion_order": False})
    connection.execute("SET TimeZone = 'UTC'")
    return lambda: connection.sql(sql).to_arrow_table()
