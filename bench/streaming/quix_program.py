"""Run by Quix Streams' own Python: ten features of users in windows of five minutes, from a topic.

`quix_program.py BROKERS TOPIC EVENTS STATE_DIRECTORY` prints how long it took from the first message on.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Earliest, Latest, Max, Mean, Min, Sum


def main(brokers: str, topic_name: str, events: int, state: str) -> None:
    """Take so many events."""
    app = Application(
        broker_address=brokers,
        consumer_group="bench",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=state,
        loglevel="WARNING",
    )
    topic = app.topic(topic_name, value_deserializer="json", timestamp_extractor=_at)
    begun: list[float] = []
    ended: list[float] = []

    def row(value: dict[str, Any]) -> dict[str, Any]:
        ended[:] = time.perf_counter(), time.process_time()
        if not begun:
            begun[:] = ended
        return {
            "impression": int(value["event"] == "impression"),
            "click": int(value["event"] == "click"),
            "price": float(value["price"]),
            "ad_id": value["ad_id"],
        }

    windows = app.dataframe(topic).apply(row).tumbling_window(timedelta(minutes=5))
    windows.agg(
        impressions=Sum("impression"),
        clicks=Sum("click"),
        spend=Sum("price"),
        least=Min("price"),
        most=Max("price"),
        average=Mean("price"),
        n=Count(),
        last_ad=Latest("ad_id"),
        first_ad=Earliest("ad_id"),
        ads=Sum("ad_id"),
    ).current()
    app.run(count=events, timeout=120)
    seconds, processor = (last - first for first, last in zip(begun, ended, strict=True))
    print(json.dumps({"seconds": seconds, "processor_seconds": processor}))


def _at(value: dict[str, Any], *_: object) -> int:
    return int(datetime.fromisoformat(value["ts"]).timestamp() * 1000)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
