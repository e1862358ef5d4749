"""What the server counts: added up over its workers, readable by Prometheus."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from headrace.clock import FixedClock
from headrace.server.metrics import Metrics
from tests.server.serving import served
from tests.server.shop import NOW, build, click

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

ASKED = {"features": ["newest:ad"], "entities": {"user_id": ["u1", "u2"]}, "as_of": NOW}
LINE = re.compile(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+')


def count(client: httpx.Client, line: str) -> float:
    text = client.get("/metrics").text
    return sum(float(each.rpartition(" ")[2]) for each in text.splitlines() if each.startswith(line))


def test_several_workers_add_up(shop: Path) -> None:
    with served(shop, "--workers", 2) as client:
        for _ in range(40):
            sent = client.post("/get-online-features", json=ASKED, headers={"connection": "close"})
            assert sent.status_code == 200
        assert client.post("/get-online-features", json={}).status_code == 422
        client.get("/no-such-address")
        done = 'headrace_requests_total{endpoint="/get-online-features",status="200"}'
        until = time.monotonic() + 30
        while count(client, done) < 40:
            assert time.monotonic() < until
            client.get("/health", headers={"connection": "close"})  # whoever answers writes what it has
        assert count(client, done) == 40
        text = client.get("/metrics").text
        assert all(LINE.fullmatch(line) for line in text.splitlines()), text
        assert 'endpoint="other",status="404"' in text
        assert "no-such-address" not in text


def test_rows_pushed_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    made = click(9_001, NOW)
    plain = {"event_id": "e9001", "user_id": "u1", "ts": made["ts"].isoformat(), "price": 1.5}
    rows = [plain, plain, {**plain, "event_id": "e9002", "price": "dear"}]
    with served(build(tmp_path / "shop")) as client:
        sent = client.post("/push", json={"source": "clicks", "rows": rows})
        assert sent.status_code == 200, sent.text
        assert client.post("/push", json={"source": "nothing", "rows": rows}).status_code == 404
        for outcome, many in {"accepted": 1, "duplicates": 1, "late": 0, "rejected": 1}.items():
            line = f'headrace_pushed_rows_total{{source="clicks",outcome="{outcome}"}}'
            assert count(client, line) == many
        assert "nothing" not in client.get("/metrics").text


def test_buckets_add_up_from_the_left(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, FixedClock(NOW))
    for seconds in (0.0001, 0.0005, 0.3, 60):
        metrics.answered("/x", 200, seconds)
    metrics.asked(7)
    text = metrics.text().decode()
    for line in (
        'headrace_request_seconds_bucket{endpoint="/x",le="0.0005"} 2',
        'headrace_request_seconds_bucket{endpoint="/x",le="0.5"} 3',
        'headrace_request_seconds_bucket{endpoint="/x",le="+Inf"} 4',
        'headrace_request_seconds_count{endpoint="/x"} 4',
        'headrace_request_entities_bucket{le="5.0"} 0',
        'headrace_request_entities_bucket{le="10.0"} 1',
        "headrace_request_entities_sum 7.0",
    ):
        assert line in text.splitlines()
