"""Load over HTTP: what is timed, from when, and what ends a run."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bench.serving import load
from bench.serving.loaded import Loaded, tail
from bench.serving.processes import free_port, processor_seconds, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = load.post("/get-online-features", b"{}")


@contextmanager
def answering(answer: bytes, pause: float = 0.0) -> Iterator[int]:
    """A server of one thread that gives one answer, in two pieces; every request takes its pause, in turn."""
    loop = asyncio.new_event_loop()
    turn = asyncio.Lock()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readexactly(len(REQUEST)):
                async with turn:
                    await asyncio.sleep(pause)
                writer.write(answer[:20])
                await writer.drain()
                writer.write(answer[20:])
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(talk, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_ended())
        loop.close()


async def _ended() -> None:
    """All that still talks is told to stop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_closed_load_waits_for_each_answer() -> None:
    with answering(FINE, pause=0.01) as port:
        found = load.closed(port, [REQUEST], 2, 0.3)
    assert 2 <= found.requests <= 2 * 0.3 / 0.01
    assert found.p50 >= 0.01


def test_open_load_is_timed_from_when_requests_were_due() -> None:
    # a server that takes 10 ms is asked every 2 ms for 0.2 s: the last requests have waited for most others
    with answering(FINE, pause=0.01) as port:
        found = load.opened(port, [REQUEST], 2, 0.2, 500.0)
    assert found.requests > 50
    assert found.p99 > 0.3


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"],
)
def test_an_answer_that_is_not_200_ends_the_run(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(load.AnswerError, match=answer[9:15].decode()):
        load.closed(port, [REQUEST], 2, 5.0)


def test_the_bare_application_answers_and_is_charged(tmp_path) -> None:
    port = free_port()
    with serving([sys.executable, "-m", "bench.serving.bare", port], port, tmp_path / "log", {}) as server:
        before = processor_seconds(server)
        found = load.closed(port, [REQUEST], 2, 0.5)
        assert processor_seconds(server) > before
    assert found.rate > 100


def test_a_server_that_ends_says_why(tmp_path) -> None:
    words = [sys.executable, "-c", "raise SystemExit('not today')"]
    with pytest.raises(RuntimeError, match="not today"), serving(words, free_port(), tmp_path / "log", {}):
        pass


def test_tails() -> None:
    found = tail([each / 1_000 for each in range(1, 1_001)], 2.0)
    assert (found.rate, found.requests) == (500.0, 1_000)
    assert [found.p50, found.p99, found.p999] == pytest.approx([0.5005, 0.99001, 0.999001])
    assert Loaded(found, found, 0.001).answer()["seconds"] == 0.002
