"""What the server counts: added up over its workers, readable by Prometheus."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.clock import HOUR, FixedClock, instant
from headrace.online.document import NO_TIME
from headrace.server.metrics import Metrics
from tests.server.serving import served
from tests.server.shop import NOW, build, click, opened
from tests.services.redis import redis

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
    metrics.write()
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


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """What there is, as Prometheus reads it: (name, label values...) -> value."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (each.name, *(value for _, value in sorted(each.labels.items()))): each.value
        for family in families
        for each in family.samples
    }


def project_with(shop: Path, tmp_path: Path, *settings: str) -> Path:
    project = shutil.copytree(shop, tmp_path / "shop")
    with (project / "headrace.toml").open("a", encoding="utf-8") as file:
        file.write("\n".join([*settings, ""]))
    return project


def test_values_served_are_counted_by_view_and_status_and_their_ages(shop: Path, tmp_path: Path) -> None:
    asked = {
        "features": ["newest:ad", "newest:place", "fresh:place", "user_clicks:clicks_1d", "margin"],
        "full_feature_names": True,
        "entities": {"user_id": ["u1", "u2", "u5", "nobody"]},
        "context": {"bid": 2.0},
        "as_of": NOW,
    }
    with served(project_with(shop, tmp_path, "[serving]", "look_at_every = 1")) as client:
        answer = client.post("/get-online-features", json=asked).json()
        for _ in range(2):
            assert client.post("/get-online-features", json=asked).json() == answer
        found = samples(client)
    columns = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
    views = {
        "newest@1": ["newest__ad", "newest__place"],
        "fresh@1": ["fresh__place"],
        "user_clicks@1": ["user_clicks__clicks_1d"],
        "margin@1": ["margin"],
    }
    for view, names in views.items():
        statuses = [status for name in names for status in columns[name]["statuses"]]
        for status in {*statuses}:
            key = ("headrace_served_values_total", status, view)
            assert found.pop(key) == 3 * statuses.count(status), key
    assert not [key for key in found if key[0] == "headrace_served_values_total"]
    assert found["headrace_served_age_seconds_count", "newest@1"] == 9  # three entities, three times
    hours = found["headrace_served_age_seconds_sum", "newest@1"] / 3 / 3600
    assert hours == pytest.approx(ages(answer, "newest__place"))
    assert found["headrace_store_seconds_count",] == 4  # the first request looks twice
    assert found["headrace_requests_in_flight",] == 1  # this very one


def ages(answer: dict[str, Any], column: str) -> float:
    """How many hours old its values are, added up."""
    times = answer["results"][answer["metadata"]["feature_names"].index(column)]["event_timestamps"]
    return sum((NOW - instant(at)) / HOUR for at in times if at != NO_TIME)


def test_only_some_answers_are_looked_at(shop: Path, tmp_path: Path) -> None:
    with served(project_with(shop, tmp_path, "[serving]", "look_at_every = 3")) as client:
        for _ in range(7):
            assert client.post("/get-online-features", json=ASKED).status_code == 200
        assert samples(client)["headrace_served_values_total", "PRESENT", "newest@1"] == 3 * 2


def test_the_caches_and_the_log_tell_what_they_did(tmp_path: Path) -> None:
    project = build(tmp_path / "shop")
    with (project / "features.py").open("a", encoding="utf-8") as file:
        file.write(KEPT)
    with (project / "headrace.toml").open("a", encoding="utf-8") as file:
        file.write('[serving]\nlog = "served"\nlog_sample = 1\n')
    with opened(project) as store:
        store.apply()
    with served(project) as client:
        for _ in range(3):
            sent = client.post("/get-online-features", json={**ASKED, "features": ["twice"]})
            assert sent.json()["results"][1]["statuses"] == ["PRESENT", "PRESENT"]
        found = samples(client)
        assert found["headrace_result_cache_total", "miss"] == 2
        assert found["headrace_result_cache_total", "hit"] == 4
        assert found["headrace_result_cache_bytes",] > 0
        logged = [found[name,] for name in ("headrace_served_log_waiting",)]
        logged += [found["headrace_served_log_rows_total", each] for each in ("written", "dropped", "failed")]
        assert sum(logged) == 6


KEPT = """

@hr.on_demand(inputs={"ad": "newest:ad"}, output="int64", cache="1h")
def twice(ad):
    return 2 * ad
"""


def test_how_far_a_copy_is_behind(shop: Path, tmp_path: Path) -> None:
    with redis() as url:
        project = project_with(shop, tmp_path, "[online]", f'url = "{url}"', "timeout = 1")
        with served(project) as client:
            assert samples(client)["headrace_copy_behind",] == 0
    with opened(project) as store:  # Redis is gone
        store.push("clicks", [click(9_002, NOW)])
        behind = store.copy_behind()
        assert behind is not None
        assert behind > 0


def test_without_a_copy_nothing_is_behind(server: httpx.Client) -> None:
    assert ("headrace_copy_behind",) not in samples(server)
