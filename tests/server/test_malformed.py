"""Bytes that are no request: refused or cut off, and nobody else notices."""

from __future__ import annotations

import gzip
import random
import socket
import threading
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from tests.server.serving import served
from tests.server.test_bad_requests import body
from tests.server.test_guard import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = b"POST /get-online-features HTTP/1.1\r\nHost: x\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body()), body())
BOMB = gzip.compress(bytes(100_000_000), 9)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

FRAMES = {
    "nothing": b"",
    "half a line": b"POST /get-onl",
    "half a head": HEAD,
    "half a body": HEAD + b"Content-Length: 100\r\n\r\nabc",
    "negative length": HEAD + b"Content-Length: -5\r\n\r\nabcde",
    "length in words": HEAD + b"Content-Length: five\r\n\r\nabcde",
    "length beyond 64 bits": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nabcde",
    "length with a sign": HEAD + b"Content-Length: +5\r\n\r\nabcde",
    "10 MB announced": HEAD + b"Content-Length: 10000000\r\n\r\n",
    "10 MB sent": HEAD + b"Content-Length: 10000000\r\n\r\n" + b" " * 10_000_000,
    "chunks of rubbish": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "chunk beyond 64 bits": CHUNKED + b"FFFFFFFFFFFFFFFFFFF\r\nabc",
    "negative chunk": CHUNKED + b"-1\r\nabc\r\n",
    "half a chunk": CHUNKED + b"ff\r\nabc",
    "length and chunks": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks and length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "space before the colon": HEAD + b"Content-Length : 5\r\n\r\nabcde",
    "folded header": HEAD + b"X: a\r\n b\r\nContent-Length\r\n\r\n",
    "NUL in a header": HEAD + b"X: a\x00b\r\n\r\n",
    "NUL": b"\x00" * 4_096,
    "header of 1 MB": HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "100,000 headers": HEAD + b"X: a\r\n" * 100_000 + b"\r\n",
    "line of 1 MB": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
    "address not ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "address of nowhere": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "HTTP/9.9": b"GET /health HTTP/9.9\r\n\r\n",
    "no method": b"FROB /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "not UTF-8": HEAD + b'Content-Length: 3\r\n\r\n"\xff"',
    "bomb": HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
    "zstd": HEAD + b"Content-Encoding: zstd\r\nContent-Length: 4\r\n\r\n\x28\xb5\x2f\xfd",
    "deep": HEAD + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "good, then rubbish": GOOD + b"\x00\xff rubbish\r\n\r\n",
}
ANSWERED = {"good, then rubbish", "no version"}
"""What may be answered: a request that is right, and one of HTTP/0.9."""


@pytest.fixture(scope="module")
def hasty(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server that waits a second for a whole request."""
    with served(copied(shop, tmp_path_factory.mktemp("frames") / "shop", request_timeout=1)) as client:
        yield client


class Other:
    """Somebody else, who asks again and again meanwhile."""

    def __init__(self, url: httpx.URL) -> None:
        self.url = url
        self.statuses: list[int] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.statuses or not self._done.is_set():
                try:
                    self.statuses.append(client.post("/get-online-features", content=body()).status_code)
                except httpx.HTTPError:
                    self.statuses.append(0)
                self._done.wait(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def sent(client: httpx.Client, frame: bytes) -> bytes:
    """What the server answers until it closes the connection; a connection left open fails the test."""
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as wire:
        heard = b""
        try:
            wire.sendall(frame)
            if frame:
                heard += wire.recv(65_536)
            wire.shutdown(socket.SHUT_WR)
            while part := wire.recv(65_536):
                heard += part
        except (ConnectionError, BrokenPipeError):
            pass  # cut off while more was sent
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
        return heard


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_no_request_is_refused_and_disturbs_nobody(hasty: httpx.Client, name: str) -> None:
    with Other(hasty.base_url) as other:
        heard = sent(hasty, FRAMES[name])
    first = heard.partition(b"\r\n")[0].split(b" ")
    if heard and not (name in ANSWERED and first[1] == b"200"):
        assert first[1][:1] == b"4", heard
        assert b"200 OK" not in heard  # nothing that was smuggled is answered
    assert b"Traceback" not in heard
    assert set(other.statuses) == {200}


def test_who_sends_slowly_is_cut_off(hasty: httpx.Client) -> None:
    with (
        Other(hasty.base_url) as other,
        socket.create_connection(("127.0.0.1", hasty.base_url.port or 0), timeout=0.1) as wire,
    ):
        wire.sendall(HEAD)
        for _ in range(200):
            try:
                wire.sendall(b"X: a\r\n")
                if wire.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("after 20 seconds the server still listens")
    assert set(other.statuses) == {200}


def test_random_bytes_disturb_nobody(hasty: httpx.Client, seed: int) -> None:
    chance = random.Random(f"{seed} frames")
    with Other(hasty.base_url) as other:
        for _ in range(20):
            frame = bytearray(GOOD)
            for _ in range(chance.randrange(1, 6)):
                frame[chance.randrange(len(frame))] = chance.randrange(256)
            heard = sent(hasty, bytes(frame))
            assert not heard or heard.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), heard
    assert set(other.statuses) == {200}
