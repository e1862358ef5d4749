"""The application: which address is answered by what."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from headrace.clock import SystemClock
from headrace.errors import HeadraceError, UnknownNameError
from headrace.project import FeatureStore
from headrace.server.asking import ask, check_again, is_there
from headrace.server.audit import about
from headrace.server.callers import check_service
from headrace.server.edge import Endpoint, Incoming
from headrace.server.encoding import ARROW, wants_arrow
from headrace.server.guard import guarded
from headrace.server.messages import speak
from headrace.server.metrics import Metrics
from headrace.server.openapi import openapi
from headrace.server.questions import online_question, push_question, timeout_of
from headrace.server.replies import RefusedError, Reply, json_reply, refusal
from headrace.server.traces import Traces
from headrace.server.tracks import Tracked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Application", "application"]

_SLIP = 0.8
"""How alike, of 1, a wrong address is to the one that was meant."""


class Application:
    """The application that serves a project.

    Addresses of fixed endpoints are found here: what Starlette does around a request takes longer than a
    small answer. All else, and what is refused, goes to Starlette.
    """

    def __init__(self, endpoints: Mapping[tuple[str, str], Endpoint], rest: Starlette) -> None:
        """Of endpoints, by method and path, and the rest."""
        self._endpoints = endpoints
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live through the server's life."""
        endpoint = self._endpoints.get((scope.get("method", ""), scope.get("path", "")))
        await (endpoint or self._rest)(scope, receive, send)


def application(project: Path, counted: Path, workers: int = 1) -> ASGIApp:
    """The application that serves a project.

    Args:
        project: Its directory.
        counted: A directory that the workers' metrics are kept in.
        workers: How many processes answer.

    Raises:
        HeadraceError: Its settings cannot be used.
    """
    store = FeatureStore(project)
    serving = store.settings.serving
    speak(serving.messages, tell_requests=serving.tell_requests)
    traces = Traces() if serving.traces else None
    metrics = Metrics(counted, SystemClock(), store, serving.look_at_every)
    answers = Answers(store, metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()  # what is there by now stays: looking through it again and again would delay requests
        try:
            with store.keeping_copy(), store.watching_registry():
                yield
        finally:
            await store.close_async()
            store.close()
            if traces is not None:
                traces.close()

    endpoints = answers.endpoints()
    routes = [Route(path, endpoint, methods=[method]) for (method, path), endpoint in endpoints.items()]

    async def not_served(request: Request, error: Exception) -> Response:
        """What Starlette refuses: an address or method there is not."""
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for these only
        if error.status_code == HTTPStatus.NOT_FOUND:
            told: HeadraceError = _no_address(request.url.path, [path for _, path in endpoints])
        else:
            told = HeadraceError(f"{request.method} {request.url.path}: {error.detail}.")
        reply = refusal(RefusedError(told, error.status_code))
        return Response(reply.body, reply.status, error.headers, media_type="application/json")

    rest = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: not_served})
    app = Application(endpoints, rest)
    guard = guarded(app, store.settings, SystemClock(), workers)
    paths = [path for _, path in endpoints]
    return Tracked(guard, metrics, paths, None if traces is None else traces.request)


def _no_address(asked: str, there_are: Sequence[str]) -> UnknownNameError:
    """The error for an address there is not: it offers all there are, and guesses only a slip of the pen."""
    near = get_close_matches(asked, there_are, n=1, cutoff=_SLIP)
    return UnknownNameError(
        f"There is no address {asked!r}.",
        asked=asked,
        available=dict.fromkeys([*near, *there_are]),
        remedy=f"Did you mean {near[0]!r}?" if near else "Ask one of those; /openapi.json describes them.",
    )


class Answers:
    """The answers of each address, from one store."""

    def __init__(self, store: FeatureStore, metrics: Metrics) -> None:
        """Over a store."""
        self._store = store
        self._metrics = metrics
        self._most = store.settings.serving.max_entities
        self._openapi = json_reply(openapi(store.settings))

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """What is served, by method and path."""
        largest = self._store.settings.serving.max_body
        return {
            ("POST", "/get-online-features"): Endpoint(self.online, largest),
            ("POST", "/push"): Endpoint(self.push, largest),
            ("GET", "/health"): Endpoint(self.health, largest),
            ("GET", "/ready"): Endpoint(self.ready, largest),
            ("GET", "/metrics"): Endpoint(self.metrics, largest),
            ("GET", "/openapi.json"): Endpoint(self.openapi, largest),
        }

    async def online(self, incoming: Incoming) -> Reply:
        """`POST /get-online-features`."""
        asked = online_question(incoming.body, self._most)
        check_service(asked.feature_service if not asked.features else None)
        self._metrics.asked(asked.many)
        answer = await ask(self._store, asked, timeout_of(incoming.headers))
        self._metrics.served(answer)
        if wants_arrow(incoming.headers):
            return Reply(answer.to_stream(), content_type=ARROW)
        return Reply(answer.to_json())

    async def push(self, incoming: Incoming) -> Reply:
        """`POST /push`: answered when the events are durable and visible."""
        asked = push_question(incoming.body)
        about(source=asked.name)
        if asked.again:
            check_again(self._store, asked)
        pushed = await asyncio.to_thread(self._store.push, asked.name, asked.events())
        self._metrics.pushed(asked.name, pushed._asdict())
        return json_reply(pushed.to_dict())

    async def health(self, _: Incoming) -> Reply:
        """`GET /health`: the process is there."""
        return json_reply({"status": "ok"})

    async def ready(self, _: Incoming) -> Reply:
        """`GET /ready`: registry and online store answer."""
        await asyncio.to_thread(is_there, self._store)  # a store that hangs keeps no other request waiting
        return json_reply({"status": "ready"})

    async def metrics(self, _: Incoming) -> Reply:
        """`GET /metrics`: what all workers counted."""
        self._metrics.write()
        text = await asyncio.to_thread(self._metrics.text)
        return Reply(text, 200, b"text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _: Incoming) -> Reply:
        """`GET /openapi.json`: what the server takes and answers."""
        return self._openapi
