"""A real Redis behind TLS: one that is built with it, else one behind a terminator of ours."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import trustme

from tests.services.redis import binary, redis
from tests.services.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CALL = b"SSL_CTX_new"
"""What only a server that is built with TLS calls; all know the options."""
_BYTES = 1 << 16


class Secured(NamedTuple):
    """A Redis behind TLS.

    Attributes:
        port: Where it talks TLS, on 127.0.0.1 and localhost.
        plain: Its URL without.
        authority: The certificate of who signed its own.
    """

    port: int
    plain: str
    authority: Path

    def url(self, user: str = "") -> str:
        """Its URL.

        Args:
            user: What stands before the host, with the `@`.
        """
        return f"rediss://{user}127.0.0.1:{self.port}/0?ssl_ca_certs={self.authority}"


@contextlib.contextmanager
def redis_behind_tls(directory: Path) -> Iterator[Secured]:
    """Run one while the block runs; the system's server where it is built with TLS.

    Args:
        directory: Where its certificates are put.
    """
    authority = trustme.CA()
    signed = authority.issue_cert("127.0.0.1", "localhost")
    ca, key, chain = directory / "ca.pem", directory / "key.pem", directory / "chain.pem"
    authority.cert_pem.write_to_path(ca)
    signed.private_key_pem.write_to_path(key)
    for number, each in enumerate(signed.cert_chain_pems):
        each.write_to_path(chain, append=number > 0)
    if _CALL in binary().read_bytes():
        port = free_port()
        words = ["--tls-port", port, "--tls-cert-file", chain, "--tls-key-file", key]
        words += ["--tls-ca-cert-file", ca, "--tls-auth-clients", "no"]
        with redis(*map(str, words)) as url:
            yield Secured(port, url, ca)
        return
    with redis() as url, _terminator(key, chain, urlsplit(url).port or 0) as port:
        yield Secured(port, url, ca)


@contextlib.contextmanager
def _terminator(key: Path, chain: Path, target: int) -> Iterator[int]:
    """Take TLS on a port and pass on what comes through it, on a thread of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    begun, port, end = threading.Event(), [0], asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", target)
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass(reader, there[1]))
            both.create_task(_pass(there[0], writer))

    async def serve() -> None:
        server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
        port[0] = server.sockets[0].getsockname()[1]
        begun.set()
        await end.wait()
        server.close()

    runner = asyncio.Runner()
    thread = threading.Thread(target=runner.run, args=(serve(),))
    thread.start()
    begun.wait()
    try:
        yield port[0]
    finally:
        runner.get_loop().call_soon_threadsafe(end.set)
        thread.join()
        runner.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while some := await reader.read(_BYTES):
            writer.write(some)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
