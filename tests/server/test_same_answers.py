"""One request has one answer: in process and over HTTP, in JSON and Arrow, from LMDB, Redis and a cluster."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace.errors import HeadraceError
from headrace.server.encoding import ARROW
from tests.effort import SOAKING
from tests.server.serving import served
from tests.server.shop import opened
from tests.server.test_forms import result
from tests.server.wide import build, drawn

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    import headrace as hr

REQUESTS = 1_000 if SOAKING else 100
ASK = "/get-online-features"


class Place(NamedTuple):
    """One way to serve a project: in this process, and by a server."""

    store: hr.FeatureStore
    client: httpx.Client

    def in_process(self, asked: dict[str, Any]) -> tuple[Any, bytes]:
        """The document, and the Arrow stream; nothing of it where the request is refused."""
        try:
            answer = self.store.get_online_features(**arguments(asked))
        except HeadraceError as error:
            return error.document(), b""
        return answer.document(), answer.to_stream()

    async def in_a_loop(self, asked: dict[str, Any]) -> Any:
        try:
            return (await self.store.get_online_features_async(**arguments(asked))).document()
        except HeadraceError as error:
            return error.document()

    def over_http(self, asked: dict[str, Any]) -> tuple[Any, bytes]:
        plain = self.client.post(ASK, json=asked)
        typed = self.client.post(ASK, json=asked, headers={"accept": ARROW.decode()})
        assert plain.status_code == typed.status_code
        if plain.status_code == 200:
            return plain.json(), typed.content
        assert typed.json() == plain.json()
        return plain.json(), b""


def arguments(asked: dict[str, Any]) -> dict[str, Any]:
    given = {**asked, "service": asked.get("feature_service")}
    given.pop("feature_service", None)
    return given


@pytest.mark.soak
def test_a_request_has_one_answer_wherever_it_is_asked(
    tmp_path: Path, redis_url: str, redis_cluster_url: str, seed: int
) -> None:
    plain = build(tmp_path / "plain")
    seen: Counter[str] = Counter()
    with ExitStack() as stack:
        first = placed(stack, plain)
        others = [
            copied(stack, plain, name, url)
            for name, url in (("redis", redis_url), ("cluster", redis_cluster_url))
        ]
        loop = stack.enter_context(asyncio.Runner())
        for each in others:
            stack.callback(lambda store=each.store: loop.run(store.close_async()))
        chance = random.Random(f"{seed} same answers")
        for number in range(REQUESTS):
            asked = drawn(chance)
            if "as_of" not in asked:  # the present of each clock is another
                told = first.over_http(asked)[0]
                if "metadata" not in told:
                    continue
                asked["as_of"] = told["metadata"]["as_of"]
            document, stream = first.in_process(asked)
            for each in (first, *others):
                assert each.over_http(asked) == (document, stream), (number, asked)
            for each in others:
                assert each.in_process(asked) == (document, stream), (number, asked)
                assert loop.run(each.in_a_loop(asked)) == document, (number, asked)
            note(seen, asked, document, stream)
    print(f"{REQUESTS} requests, eleven answers each: {dict(seen)}")  # noqa: T201
    for kind in ("refused", "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "INVALID"):
        assert seen[kind], kind


def placed(stack: ExitStack, project: Path) -> Place:
    store = stack.enter_context(opened(project))
    return Place(store, stack.enter_context(served(project)))


def copied(stack: ExitStack, plain: Path, name: str, url: str) -> Place:
    """The same project, served from a copy."""
    project = shutil.copytree(plain, plain.parent / name)
    with (project / "headrace.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'[online]\nurl = "{url}"\n')
    with opened(project) as store:
        assert store.refill() > 0
    return placed(stack, project)


def note(seen: Counter[str], asked: dict[str, Any], document: dict[str, Any], stream: bytes) -> None:
    """Count what came up; and look that both forms of one answer say the same."""
    if not stream:
        seen["refused"] += 1
        return
    table = pa.ipc.open_stream(stream).read_all()
    for name, told in zip(document["metadata"]["feature_names"], document["results"], strict=True):
        seen.update(told["statuses"])
        if name not in asked["entities"] and not infinite(table[name]):  # JSON has no such number: INVALID
            assert result(table, name) == told


def infinite(column: pa.ChunkedArray) -> bool:
    return pa.types.is_floating(column.type) and bool(pc.any(pc.is_inf(column)).as_py())
