"""A server over Redis: the same answers, not ready while Redis is away, ready again when it is back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import redis as driver

from tests.server.serving import served
from tests.server.shop import opened
from tests.server.test_ending import until
from tests.services.redis import redis
from tests.services.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

QUESTION: dict[str, Any] = {
    "features": ["user_clicks:clicks_7d", "user_clicks:spend_7d"],
    "entities": {"user_id": ["u1", "u2", "nobody"]},
    "as_of": "2026-03-13T00:00:00Z",
}


def test_a_server_answers_from_redis_and_says_when_it_is_away(shop: Path, tmp_path: Path) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    with served(project) as client:
        expected = client.post("/get-online-features", json=QUESTION).json()
    port = free_port()
    settings = (project / "headrace.toml").read_text()
    address = f'[online]\nurl = "redis://127.0.0.1:{port}/0"\ntimeout = 1\n'
    (project / "headrace.toml").write_text(settings + address)
    with contextlib.ExitStack() as server:
        with redis(at=port):
            with opened(project) as store:
                assert store.refill() > 0
            client = server.enter_context(served(project))
            assert client.post("/get-online-features", json=QUESTION).json() == expected
        assert client.get("/ready").status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert client.get("/health").status_code == httpx.codes.OK
        refused = client.post("/get-online-features", json=QUESTION)
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "cannot be reached" in refused.text
        with redis(at=port):
            until(lambda: client.get("/ready").status_code == httpx.codes.OK)  # the server fills it again
            assert client.post("/get-online-features", json=QUESTION).json() == expected


def test_a_redis_that_hangs_keeps_no_other_request_waiting(shop: Path, tmp_path: Path) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    with redis() as url, ThreadPoolExecutor() as others:
        with (project / "headrace.toml").open("a", encoding="utf-8") as settings:
            settings.write(f'[online]\nurl = "{url}"\ntimeout = 1\n')
        with served(project) as client:
            until(lambda: client.post("/get-online-features", json=QUESTION).status_code == httpx.codes.OK)
            expected = client.post("/get-online-features", json=QUESTION).json()
            with driver.Redis.from_url(url) as known:
                process = known.info("server")["process_id"]
            os.kill(process, signal.SIGSTOP)
            try:
                waiting = [
                    others.submit(client.get, "/ready"),
                    others.submit(client.post, "/get-online-features", json=QUESTION),
                ]
                assert client.get("/health").status_code == httpx.codes.OK
                assert not any(each.done() for each in waiting)
                for each in waiting:
                    refused = each.result()
                    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
                    assert "did not answer in time" in refused.text
            finally:
                os.kill(process, signal.SIGCONT)
            until(lambda: client.get("/ready").status_code == httpx.codes.OK)
            assert client.post("/get-online-features", json=QUESTION).json() == expected
