"""Ingestion: events a second into LMDB and Redis, and from an event's time until it is visible."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size

USERS = 1_000_000
FROM_BROKER = 100_000
TENTH = 10


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Ten features of three windows, ids looked at, a batch durable when it is taken."""
    events = size.events // TENTH
    entries = {
        "uniform": {"events": events, "users": USERS},
        "Zipf": {"events": events, "users": USERS, "zipf": True},
    }
    ours = {
        kind: Side(f"headrace lmdb {kind}", "bench.streaming.ours:from_file", None, options, ours=True)
        for kind, options in entries.items()
    }
    raw = {
        kind: Side(f"raw lmdb {kind}", "bench.streaming.raw:get_and_put", None, options)
        for kind, options in entries.items()
    }
    redis = {
        kind: Side(
            f"headrace redis {kind}",
            "bench.streaming.ours:from_file",
            None,
            {**options, "redis": True},
            ours=True,
        )
        for kind, options in entries.items()
    }
    some = {"events": FROM_BROKER, "users": USERS}
    kafka = Side("headrace from a broker", "bench.streaming.ours:from_topic", None, some, ours=True)
    quix = Side("quix streams from a broker", "bench.streaming.quix:from_topic", None, some)
    fresh = Side(
        "headrace half load, event to visible, p99",
        "bench.streaming.ours:latency",
        None,
        {"users": USERS},
        ours=True,
    )
    return (
        Experiment(
            "ingest",
            f"{events:,} events of {USERS:,} users, all alike or by Zipf(1.1), from JSON Lines into ten "
            f"features of three windows, each event once; {FROM_BROKER:,} of them from a Kafka broker",
            (*ours.values(), *raw.values(), *redis.values(), kafka, quix, fresh),
            (
                Goal("at first", ours["uniform"].name, events / 40_000),
                Goal("must end", ours["uniform"].name, events / 80_000),
                Goal("at first", ours["Zipf"].name, events / 100_000),
                Goal("must end", ours["Zipf"].name, events / 200_000),
                *(Goal("at first", ours[kind].name, 2.0, (raw[kind].name,)) for kind in ours),
                *(Goal("for scale", redis[kind].name, None, (ours[kind].name,)) for kind in ours),
                Goal("at first", kafka.name, 1 / 5, (quix.name,)),
                Goal("at first", fresh.name, 1.0),
            ),
            rounds=2,
            note=(
                "One process on one core, apart from DuckDB's thread that takes JSON apart. Raw LMDB reads "
                "and writes the same keys and values in the same transactions, without sync as ingestion "
                "does, which is durable against a kill. Quix Streams holds the tiles of five minutes only, "
                "and is timed from its first message on."
            ),
        ),
    )
