"""Requests at a rate that does not wait for answers, over connections that stay."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import msgspec

from tests.soak.recognised import LONG, SHORT, USERS, Seen, pushed, understood

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = 16
USERS_ASKED = 8
PUSH_EVERY = 0.5
"""Seconds between two pushes."""


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer."""
        head = f"POST {path} HTTP/1.1\r\nhost: soak\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        told = await self._reader.readuntil(b"\r\n\r\n")
        size = next(
            int(line.partition(b":")[2])
            for line in told.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        return int(told[9:12]), await self._reader.readexactly(size)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class Asking:
    """Clients, and what they were told.

    Attributes:
        failures: What was wrong with answers, the first of them.
        wrong: How many were wrong.
        late: Seconds from when each answer was due to be asked for until it came.
        newest: The newest state seen.
        pushes: How many pushes were accepted.
        names: How many answers had each number of features.
    """

    def __init__(self, port: int, seed: int) -> None:
        """Of a server on this host.

        Args:
            port: Its port.
            seed: Draws the requests.
        """
        self._port = port
        self._chance = random.Random(f"{seed} soak")
        self.failures: list[str] = []
        self.wrong = 0
        self.late: list[float] = []
        self.newest = Seen(0, 0, 0)
        self.pushes = 0
        self.names = {2: 0, 4: 0}

    async def saturate(self, seconds: float) -> float:
        """How many requests a second are answered when each connection asks as soon as it has its answer."""
        until = time.monotonic() + seconds
        before = len(self.late)
        await self._on_connections(lambda: time.monotonic() if time.monotonic() < until else None)
        return (len(self.late) - before) / seconds

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Ask at a rate, and push, for so long."""
        begun = time.monotonic()
        count = iter(range(int(rate * seconds)))

        def due() -> float | None:
            number = next(count, None)
            return None if number is None else begun + number / rate

        self.late.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._on_connections(due))
            tasks.create_task(self._push(begun + seconds))

    async def last(self) -> Seen:
        """What is seen when nothing changes any more."""
        connection = await self._connected()
        body = msgspec.json.encode({"features": LONG, "entities": {"user_id": USERS}})
        _, told = await connection.post("/get-online-features", body)
        await connection.close()
        return understood(msgspec.json.decode(told))

    async def _connected(self) -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", self._port))

    async def _on_connections(self, due: Callable[[], float | None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(self._ask_on(await self._connected(), due))

    async def _ask_on(self, connection: Connection, due: Callable[[], float | None]) -> None:
        seen = Seen(0, 0, 0)
        while (at := due()) is not None:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            status, told = await connection.post("/get-online-features", self._question())
            self.late.append(time.monotonic() - at)
            try:
                seen = self._checked(status, told, seen)
            except (ValueError, KeyError) as error:
                self.wrong += 1
                if len(self.failures) < 5:
                    self.failures.append(f"{status} {error} {told[:500]!r}")
        await connection.close()

    def _question(self) -> bytes:
        asked: dict[str, Any] = {"entities": {"user_id": self._chance.sample(USERS, USERS_ASKED)}}
        if self._chance.random() < 0.5:
            asked["feature_service"] = "recognised"
        else:
            asked["features"] = self._chance.choice([SHORT, LONG])
        return msgspec.json.encode(asked)

    def _checked(self, status: int, told: bytes, before: Seen) -> Seen:
        """What an answer has seen, which is no less than the one before it on its connection."""
        if status != 200:
            raise ValueError("is no answer")
        answer = msgspec.json.decode(told)
        found = understood(answer)
        self.names[len(answer["results"]) - 1] += 1
        if found.counts < before.counts or found.pushes < before.pushes:
            raise ValueError(f"{found} after {before}")
        if len(answer["results"]) > 3 and found.again < before.again:
            raise ValueError(f"{found} after {before}")
        again = found.again if len(answer["results"]) > 3 else before.again
        return Seen(found.counts, again, found.pushes)

    async def _push(self, until: float) -> None:
        """Push now and then, each time on another connection and so to any of the workers."""
        while time.monotonic() < until:
            connection = await self._connected()
            status, told = await connection.post("/push", msgspec.json.encode(pushed(self.pushes)))
            await connection.close()
            if status == 200:
                self.pushes += 1
            else:
                self.wrong += 1
                self.failures.append(f"push: {status} {told[:500]!r}")
            await asyncio.sleep(PUSH_EVERY)
