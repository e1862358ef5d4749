"""What becomes of a request where the server is away, breaks off or says what no server of ours says."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import headrace as hr
from headrace.errors import AuthError, ConflictError, DataError, HeadraceError, StoreError, UnreachableError
from tests.server.shop import NOW, click
from tests.services.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK: dict[str, Any] = {"features": ["newest:ad"], "entities": {"user_id": ["u1"]}, "as_of": NOW}
PUSHED = b'{"accepted":1,"duplicates":0,"late":0,"rejected":0,"offset":7,"warned":0}'
BREAK_OFF = b""


def told(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + body


@contextlib.contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that answers connection after connection by a script; what it was sent is kept."""
    heard: list[tuple[dict[str, str], bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection, connection.makefile("rb") as incoming:
                    incoming.readline()
                    lines = iter(lambda: incoming.readline().decode().strip(), "")
                    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                    heard.append((headers, incoming.read(int(headers["content-length"]))))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        thread.join(30)
        assert not thread.is_alive(), "fewer requests came than were to be answered"


def refused(error: HeadraceError, status: str) -> bytes:
    return told(json.dumps(error.document()).encode(), status)


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with (
        hr.Client(f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(UnreachableError, match="cannot be reached"),
    ):
        client.get_online_features(**ASK)


def test_a_push_that_was_broken_off_is_sent_again_as_such() -> None:
    with scripted(BREAK_OFF, told(PUSHED)) as (url, heard), hr.Client(url) as client:
        assert client.push("clicks", [{"event_id": "e1"}]).offset == 7
    assert [json.loads(body).get("again") for _, body in heard] == [None, True]


def test_a_push_without_an_answer_may_have_been_taken() -> None:
    with (
        scripted(BREAK_OFF) as (url, _),
        hr.Client(url, retries=0) as client,
        pytest.raises(UnreachableError, match="It may have been taken"),
    ):
        client.push("clicks", [{"event_id": "e1"}])


@pytest.mark.parametrize(
    "first",
    [
        BREAK_OFF,
        refused(UnreachableError("Redis is away.", remedy="Wait."), "503 Service Unavailable"),
        told(b"<html>", "502 Bad Gateway"),
        told(b"{}", "429 Too Many Requests", "Retry-After: 0\r\n"),
    ],
    ids=["broken off", "away", "gateway", "too many"],
)
def test_a_read_is_tried_again_and_then_told(first: bytes) -> None:
    last = refused(DataError("The last word.", remedy="None."), "422 Unprocessable Entity")
    with scripted(first, first, last) as (url, heard), hr.Client(url) as client:
        with pytest.raises(DataError, match="The last word"):
            client.get_online_features(**ASK)
        assert len(heard) == 3
    with scripted(first) as (url, heard), hr.Client(url, retries=0) as client:
        with pytest.raises(HeadraceError):
            client.get_online_features(**ASK)
        assert len(heard) == 1


def test_what_no_server_of_ours_says_is_told_as_such() -> None:
    with scripted(told(b"<html>Who?", "401 Unauthorized"), told(b"<html>Hello")) as (url, _):
        with hr.Client(url) as client, pytest.raises(AuthError, match="status 401"):
            client.get_online_features(**ASK)
        with hr.Client(url) as client, pytest.raises(StoreError, match="cannot be read"):
            client.get_online_features(**ASK)


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        quiet = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with hr.Client(quiet, timeout=0.2) as client, pytest.raises(UnreachableError, match=r"within 0\.2 s"):
            client.get_online_features(**ASK)


def test_keys_are_sent_and_never_shown() -> None:
    answer = refused(AuthError("No.", remedy="Ask for a key."), "403 Forbidden")
    with scripted(answer, answer) as (url, heard):
        with hr.Client(url, api_key="s3cret") as client, pytest.raises(AuthError) as by_key:
            client.get_online_features(**ASK)
        with hr.Client(url, token=lambda: "t0ken") as client, pytest.raises(AuthError) as by_token:
            client.get_online_features(**ASK, timeout=0.25)
        shown = f"{client!r} {vars(client)} {by_key.value} {by_token.value}"
    assert heard[0][0]["x-api-key"] == "s3cret"
    assert (heard[1][0]["authorization"], heard[1][0]["x-request-timeout-ms"]) == ("Bearer t0ken", "250")
    assert "s3cret" not in shown
    assert "t0ken" not in shown


@pytest.mark.parametrize("wrong", ["localhost:6566", "ftp://a", "", "http://me:s3cret@host"])
def test_what_is_no_url_of_a_server_is_refused(wrong: str) -> None:
    with pytest.raises(DataError, match="no URL") as refusal:
        hr.Client(wrong)
    assert "s3cret" not in str(refusal.value.document())


def test_a_timeout_that_is_none_is_refused(url: str) -> None:
    with hr.Client(url) as client, pytest.raises(DataError, match="no timeout"):
        client.get_online_features(**ASK, timeout=-1)


def push(url: str, rows: list[dict[str, Any]]) -> httpx.Response:
    return httpx.post(f"{url}/push", json={"source": "clicks", "rows": rows, "again": True}, timeout=60)


def test_a_repeated_push_counts_once_or_is_refused(url: str) -> None:
    row = {**click(6_001, NOW), "user_id": "repeater"}
    row |= {"ts": row["ts"].isoformat(), "seen_at": row["seen_at"].isoformat(), "day": str(row["day"])}
    row |= {"fee": str(row["fee"]), "raw": "a", "price": 1.0}
    assert push(url, [row]).json()["accepted"] == 1
    assert push(url, [row]).json()["duplicates"] == 1
    without = push(url, [{**row, "event_id": None}])
    assert (without.status_code, without.json()["error"]["type"]) == (409, ConflictError.__name__)


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(json.dumps(ASK).encode()), "gzip", 200),
        (json.dumps(ASK).encode(), "identity", 200),
        (gzip.compress(json.dumps(ASK).encode())[:-9], "gzip", 400),
        (gzip.compress(b"{}") + b"more", "gzip", 400),
        (b"no gzip", "gzip", 400),
        (gzip.compress(b" " * 200_000_000), "gzip", 413),
        (b"{}", "br", 415),
    ],
    ids=["gzip", "plain", "cut", "more", "none", "bomb", "unknown"],
)
def test_a_compressed_request_is_read_or_refused(url: str, body: bytes, encoding: str, status: int) -> None:
    headers = {"content-encoding": encoding}
    answer = httpx.post(f"{url}/get-online-features", content=body, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text
