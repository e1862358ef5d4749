"""Features over HTTP: against a server that answers `{}`, and against Feast's, all with one worker."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size
from bench.experiments.online import EVENTS_A_USER, SPAN_DAYS
from bench.inputs import Inputs, Log

USERS = 1_000
ROWS_A_USER = 10
ENTITIES = (1, 10, 100)
FEATURES = (50, 250)


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Requests a second, their times, and processor time, for entities x features x stores."""
    values = {
        features: Inputs(Log(USERS, USERS, 1, sigma=0.0), 0, USERS * ROWS_A_USER, features, with_events=False)
        for features in FEATURES
    }
    tiles = Inputs(Log(EVENTS_A_USER * size.read_users, size.read_users, SPAN_DAYS, sigma=0.0))
    bare = Side("bare uvicorn, {}", "bench.serving.sides:bare", values[50])
    ours = {
        (redis, entities, features): Side(
            f"headrace {'redis' if redis else 'lmdb'} {entities} x {features}",
            "bench.serving.sides:latest",
            values[features],
            {"entities": entities, "redis": redis},
            ours=True,
        )
        for redis in (False, True)
        for features in FEATURES
        for entities in ENTITIES
    }
    windowed = [
        Side(
            f"headrace lmdb {entities} x 40 windowed",
            "bench.serving.sides:windowed",
            tiles,
            {"entities": entities},
            ours=True,
        )
        for entities in (1, 100)
    ]
    feast = {
        (redis, entities): Side(
            f"feast {'redis' if redis else 'sqlite'} {entities} x 50",
            "bench.serving.feast:latest",
            values[50],
            {"entities": entities, "redis": redis},
        )
        for redis, entities in ((True, 1), (True, 10), (True, 100), (False, 1), (False, 100))
    }
    one, many = ours[False, 1, 50], ours[False, 100, 50]
    feast_one, feast_many = ([feast[redis, n].name for redis in (False, True)] for n in (1, 100))
    return (
        Experiment(
            "serving",
            "requests over HTTP on one worker, seconds a request of 8 clients: 1, 10, 100 entities x 50, 250 "
            "latest values from LMDB and Redis, 40 windowed values from LMDB",
            (bare, *ours.values(), *windowed, *feast.values()),
            (
                Goal("at first", one.name, 2.0, (bare.name,)),
                Goal("must end", one.name, 1 / 0.7, (bare.name,)),
                Goal("at first", many.name, 1 / 60, tuple(feast_many)),
                Goal("must end", many.name, 1 / 100, tuple(feast_many)),
                Goal("for scale", one.name, None, tuple(feast_one)),
                Goal("for scale", ours[True, 1, 50].name, None, (feast[True, 1].name,)),
                Goal("for scale", ours[True, 100, 50].name, None, (feast[True, 100].name,)),
                *(Goal("for scale", each.name, None, (bare.name,)) for each in windowed),
            ),
            rounds=2,
            note=(
                "The generator, the server and, where there is one, Redis share the machine's cores: "
                "throughput is a lower bound, processor time is the server's own. Feast runs with its own"
                " settings, but its worker is not replaced after a thousand requests. 1 x 50 after two "
                "rounds, 2026-11-23, before metrics were counted (288 us): of its processor time 46 us "
                "are the bare server's, 160 are "
                "Headrace's own in a loop without a network (60 until the values are there, 45 to write "
                "5.8 KB of JSON, 40 for the request's way in and out), and about 70 are lost between: "
                "what a loop finds in the processor's caches a server that reads and writes sockets does "
                "not. Some 150 calls of Python make them up, none above 7 us. An application that only "
                "decodes the request, gets one record from LMDB and writes the same JSON by hand, with no"
                " status, instant or version looked at, took 77 us, 61 % of the bare server's requests: "
                "the most that Python leaves."
            ),
        ),
    )
