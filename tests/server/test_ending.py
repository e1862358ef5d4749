"""How servers end: told to, they answer what they have begun; killed, a worker takes only its own with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.server.shop import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0
BODY = json.dumps({"features": ["newest:ad"], "entities": {"user_id": ["u1"]}, "as_of": NOW}).encode()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        os.sched_yield()


@contextlib.contextmanager
def serving(project: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server and its URL, printed by itself; killed in the end if it still runs."""
    words = ["serve", "--project", project, "--port", "0", "--workers", workers, "--json"]
    command = [sys.executable, "-m", "headrace.cli", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = json.loads(process.stdout.readline())["url"]
            until(lambda: ready(url))
            yield process, url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/ready", timeout=PATIENCE).status_code == httpx.codes.OK
    return False


def refuses(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address):
            return False
    except ConnectionResetError:  # it came in the moment in which the port was closed
        return False
    except ConnectionRefusedError:
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_in_flight_is_answered_before_the_end(shop: Path, workers: int) -> None:
    with serving(shop, workers) as (process, url):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(address, PATIENCE) as begun:
            head = f"POST /get-online-features HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n"
            begun.sendall(f"{head}expect: 100-continue\r\n\r\n".encode())
            assert begun.recv(1024).startswith(b"HTTP/1.1 100 ")  # the server waits for the body now
            process.send_signal(signal.SIGTERM)
            until(lambda: refuses(address))
            begun.sendall(BODY)
            answer = b"".join(iter(lambda: begun.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"feature_names":["user_id","ad"]' in answer
        assert process.wait(PATIENCE) == 0


def workers_of(process: subprocess.Popen[str]) -> set[int]:
    """The processes that answer."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_a_killed_worker_is_replaced_and_others_answer_meanwhile(shop: Path) -> None:
    with serving(shop, 2) as (process, url):
        until(lambda: len(workers_of(process)) == 2)
        before = workers_of(process)
        os.kill(min(before), signal.SIGKILL)
        answered = 0

        def replaced() -> bool:
            nonlocal answered
            with contextlib.suppress(httpx.TransportError):  # a connection that the killed worker had taken
                answer = httpx.post(f"{url}/get-online-features", content=BODY, timeout=PATIENCE)
                assert answer.status_code == httpx.codes.OK
                answered += 1
            now = workers_of(process)
            return len(now) == 2 and now != before

        until(replaced)
        assert answered
        assert max(before) in workers_of(process)


def test_a_port_that_is_taken_is_told_in_one_line(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [sys.executable, "-m", "headrace.cli", "serve", "--project", shop, "--port", port]
        done = subprocess.run(
            list(map(str, words)), capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be had" in done.stderr
    assert "Traceback" not in done.stderr
