"""What the server says: a JSON object a line, with the request's id, and nothing of what was asked."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from headrace.server.messages import speak
from headrace.server.tracks import REQUESTS
from tests.server.serving import served
from tests.server.shop import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "nobody-may-know"  # noqa: S105 - it is none


@pytest.fixture
def loggers() -> Iterator[None]:
    """Loggers as they were before."""
    names = ("headrace", "uvicorn")
    before = [(logging.getLogger(name).handlers, logging.getLogger(name).propagate) for name in names]
    level = REQUESTS.level
    yield
    for name, (handlers, propagate) in zip(names, before, strict=True):
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = handlers, propagate
    REQUESTS.setLevel(level)


def test_a_line_for_each_request(shop: Path, tmp_path: Path) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    with (project / "headrace.toml").open("a", encoding="utf-8") as settings:
        settings.write('[serving]\nmessages = "json"\ntell_requests = true\n')
    log = tmp_path / "log"
    with served(project, log=log) as client:
        asked = {"features": ["newest:ad"], "entities": {"user_id": [SECRET]}, "as_of": NOW}
        sent = client.post(
            f"/get-online-features?token={SECRET}",
            json=asked,
            headers={"x-request-id": "mine", "x-api-key": SECRET},
        )
        assert sent.status_code == 200
        assert client.get(f"/{SECRET}").status_code == 404
    said = log.read_text()
    assert SECRET not in said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    of_mine = [line for line in lines if line.get("request") == "mine"]
    assert len(of_mine) == 1
    assert list(of_mine[0]) == [
        "at", "level", "logger", "message", "request", "method", "endpoint", "status", "ms",
    ]  # fmt: skip
    assert of_mine[0]["logger"] == "headrace.requests"
    assert (of_mine[0]["method"], of_mine[0]["status"]) == ("POST", 200)
    assert of_mine[0]["endpoint"] == "/get-online-features"
    assert 0 < of_mine[0]["ms"] < 60_000
    others = [line for line in lines if line.get("status") == 404]
    assert [line["endpoint"] for line in others] == ["other"]
    assert re.fullmatch("[0-9a-f]{12}-[0-9a-f]+", others[0]["request"])


@pytest.mark.usefixtures("loggers")
def test_an_error_is_one_line_too() -> None:
    stream = io.StringIO()
    speak("json", tell_requests=False, to=stream)
    try:
        int("one\ntwo")
    except ValueError:
        logging.getLogger("headrace.server").exception("It %s.", "failed")
    REQUESTS.info("not told")
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("error", "headrace.server", "It failed.")
    assert told["error"].endswith(": 'one\\ntwo'")


@pytest.mark.usefixtures("loggers")
def test_as_people_read_it() -> None:
    stream = io.StringIO()
    speak("text", tell_requests=True, to=stream)
    REQUESTS.info("GET /health 200")
    logging.getLogger("headrace.copy").warning("Behind.")
    assert stream.getvalue() == "INFO headrace.requests: GET /health 200\nWARNING headrace.copy: Behind.\n"
