"""In-process reads from LMDB: fifty latest values; ten aggregates over four windows, full of tiles."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size
from bench.inputs import Inputs, Log

EVENTS_A_USER = 30_000  # about three in every five minutes: nearly every tile is there
SPAN_DAYS = 35
CALLS = 2_000
_PROFILE = (
    "Profiled on 2026-11-23, 1 x 40 windowed over 184 rows: finding and fetching the record 120 us, decoding "
    "it 55, finding rows 44, merging 163 (stddev 44, first and last 14, the seven calls of all others 33), "
    "finishing 58, lists 75; from record to columns it is about 600 calls, NumPy's included, none of them "
    "large. Before measures were merged together it was 1.26 ms."
)


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Median of many calls in one process; LMDB and struct alone for scale."""
    users = size.read_users
    log = Log(EVENTS_A_USER * users, users, SPAN_DAYS, sigma=0.0)
    tiles = Inputs(log)
    values = Inputs(log, profile_rows=100 * users, with_events=False)
    one_latest = Side("headrace 1 x 50 latest", "bench.ours:read_latest", values, calls=CALLS, ours=True)
    one = Side("headrace 1 x 40 windowed", "bench.ours:read_windowed", tiles, calls=CALLS, ours=True)
    many = Side(
        "headrace 100 x 40 windowed",
        "bench.ours:read_windowed",
        tiles,
        {"entities": 100},
        CALLS // 10,
        ours=True,
    )
    floor = Side("lmdb and struct, 1 x 50", "bench.rivals.stored:packed", values, calls=CALLS)
    return (
        Experiment(
            "online",
            "in-process read, LMDB: 1 x 50 latest values; 1 and 100 x 10 aggregates x 4 windows, full tiles",
            (one_latest, one, many, floor),
            (
                Goal("at first", one_latest.name, 40e-6),
                Goal("must end", one_latest.name, 20e-6),
                Goal("at first", one.name, 300e-6),
                Goal("must end", one.name, 100e-6),
                Goal("at first", many.name, 6e-3),
                Goal("must end", many.name, 2e-3),
                Goal("for scale", one_latest.name, None, (floor.name,)),
            ),
            note=_PROFILE,
        ),
    )
