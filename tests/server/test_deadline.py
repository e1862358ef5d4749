"""`X-Request-Timeout-Ms`: what is late is INVALID, the rest is answered, and others do not wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.project.test_isolated_functions import is_gone
from tests.server.serving import served
from tests.server.shop import DEFINITIONS, SCHEMA, K, clicks, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = """
import os
import time
from pathlib import Path


@hr.on_demand(request={"how": "string"}, output="int64", isolate=True)
def apart(how):
    while how == "hang":
        pass
    return os.getpid()


@hr.on_demand(inputs={"price": "newest:price"}, request={"word": "string"}, output="string")
def gated(price, word):
    (Path(__file__).parent / f"{word}.begun").touch()
    while not (Path(__file__).parent / word).exists():
        time.sleep(0.001)
    return word


@hr.on_demand(inputs={"word": "gated"}, output="int64")
def after(word):
    return len(word)


@hr.on_demand(inputs={"ad": "newest:ad"}, output="int64")
def quick(ad):
    return 0 if ad is None else ad
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deadline") / "shop"
    directory.mkdir()
    (directory / "headrace.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    (directory / "features.py").write_text(DEFINITIONS + SLOW, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(clicks(0, 10), SCHEMA), directory / "clicks.parquet")
    with opened(directory) as store:
        store.apply()
        store.materialize(end=K)
    return directory


@pytest.fixture(scope="module")
def slow_server(project: Path) -> Iterator[httpx.Client]:
    with served(project) as client:
        yield client


def ask(
    client: httpx.Client, features: list[str], timeout: str | bytes | None, **context: Any
) -> httpx.Response:
    headers: dict[str, str | bytes] = {} if timeout is None else {"X-Request-Timeout-Ms": timeout}
    body = {"features": features, "entities": {"user_id": ["u1"]}, "context": context}
    return client.post("/get-online-features", json=body, headers=headers)


def told(answer: httpx.Response) -> dict[str, tuple[Any, str]]:
    """Column -> value and status of the one entity."""
    document = answer.json()
    return {
        name: (result["values"][0], result["statuses"][0])
        for name, result in zip(document["metadata"]["feature_names"], document["results"], strict=True)
    }


def test_a_late_feature_is_invalid_and_neither_the_rest_nor_others_wait(
    slow_server: httpx.Client, project: Path
) -> None:
    plain = told(ask(slow_server, ["quick", "newest:ad"], None))
    (project / "warm").touch()
    assert told(ask(slow_server, ["gated", "after"], "60000", word="warm"))["after"] == (4, "PRESENT")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, slow_server, ["quick", "newest:ad", "gated", "after"], "1000", word="gate")
        while not (project / "gate.begun").exists():
            assert not late.done()
        begun = time.monotonic()
        while time.monotonic() < begun + 1.1:  # the function hangs, past the deadline: the server does not
            assert told(ask(slow_server, ["quick", "newest:ad"], "60000")) == plain
        (project / "gate").touch()
        answer = late.result(60)
    assert answer.status_code == httpx.codes.OK
    found, about = told(answer), answer.json()["metadata"]
    assert (found["quick"], found["ad"]) == (plain["quick"], plain["ad"])
    assert (found["gated"], found["after"]) == ((None, "INVALID"), (None, "INVALID"))
    assert about["reasons"] == {"gated": "deadline", "after": "deadline"}
    assert list(about["overran"]) == ["gated@1"]
    assert about["overran"]["gated@1"] >= 1_000


@pytest.mark.parametrize(
    "wrong", ["", "0", "-5", "1.5", "soon", "1e3", "0x10", "\u0661".encode(), "9" * 5_000, "3600001", "5, 6"]
)
def test_what_is_no_timeout_is_refused(slow_server: httpx.Client, wrong: str | bytes) -> None:
    answer = ask(slow_server, ["newest:ad"], wrong)
    assert answer.status_code == httpx.codes.BAD_REQUEST
    error = answer.json()["error"]
    assert "X-Request-Timeout-Ms" in error["message"]
    assert "milliseconds" in error["remedy"]


def test_a_timeout_that_is_enough_changes_nothing(slow_server: httpx.Client) -> None:
    features = ["quick", "newest:ad", "newest:place", "user_clicks:clicks_7d"]
    plain, timed = (told(ask(slow_server, features, timeout)) for timeout in (None, "3600000"))
    assert plain == timed


def test_an_isolated_function_is_killed_at_the_deadline_and_ends_with_the_server(project: Path) -> None:
    with served(project) as client:
        process = told(ask(client, ["apart", "newest:ad"], "60000", how="fine"))["apart"][0]
        assert not is_gone(process)
        answer = ask(client, ["apart", "newest:ad"], "300", how="hang")
        assert told(answer)["apart"] == (None, "INVALID")
        assert told(answer)["ad"][1] == "PRESENT"
        assert list(answer.json()["metadata"]["overran"]) == ["apart@1"]
        assert is_gone(process)
        another = told(ask(client, ["apart", "newest:ad"], "60000", how="fine"))["apart"][0]
        assert another != process
        assert not is_gone(another)
    assert is_gone(another)
