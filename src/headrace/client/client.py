"""The client: what `FeatureStore` serves, asked of a server."""

from __future__ import annotations

import asyncio
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from headrace.client.bodies import push_body, question_body
from headrace.client.transport import Sent, Transport
from headrace.clock import MonotonicClock
from headrace.errors import DataError
from headrace.online.entities import by_column, fields_of
from headrace.online.ingest import Pushed
from headrace.online.received import answer_of
from headrace.retrieval.deadline import Deadline

if TYPE_CHECKING:
    import datetime as dt
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from headrace.definitions.service import FeatureService
    from headrace.online.answer import OnlineFeatures

__all__ = ["Client"]

_ARROW, _JSON = "application/vnd.apache.arrow.stream", "application/json"
_GRACE = 1.0
"""Seconds beyond its deadline that a server is waited for: its answer is under way."""


class Client:
    """A server's features, by the verbs of `FeatureStore`; answers and errors are the same objects.

    Connections are kept and shared by threads. A read is tried again where the server is away; a push only
    where its rows have event ids, since without them it might count twice.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        token: str | Callable[[], str] | None = None,
        timeout: float = 10.0,
        retries: int = 2,
        connections: int = 32,
        compress: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            url: Where the server is, `"http://localhost:6566"`.
            api_key: Says who asks, as `X-API-Key`.
            token: A JWT instead, as `Authorization: Bearer`; a function is asked for it at each request.
            timeout: Seconds that a request may take in all, tries included.
            retries: How many further tries there are.
            connections: How many are kept, and how many requests run at once from event loops.
            compress: Whether large requests are sent in gzip, and large answers taken so: for slow networks.
            tls: Whom to trust; what the system trusts by default.

        Raises:
            DataError: That is no URL of a server, or no number that makes sense.
        """
        if not 0 < timeout < math.inf or retries < 0 or connections < 1:
            raise DataError(
                "A client needs a timeout above 0, retries of 0 or more, and a connection.",
                asked=(timeout, retries, connections),
                remedy="Leave them out: they are 10 s, 2 and 32.",
            )

        def credentials() -> dict[str, str]:
            given = {} if api_key is None else {"x-api-key": api_key}
            if token is not None:
                given["authorization"] = f"Bearer {token if isinstance(token, str) else token()}"
            return given

        self._timeout = timeout
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="headrace-client")
        self._transport = Transport(
            url, credentials=credentials, tries=retries, connections=connections, compress=compress, tls=tls
        )

    def __repr__(self) -> str:
        """Where it asks; never by which key."""
        return f"Client({self._transport.url!r})"

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the connections; requests from event loops that still run are waited for."""
        self._threads.shutdown()
        self._transport.close()

    def get_online_features(
        self,
        features: Sequence[str] | FeatureService | None = None,
        entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | None = None,
        *,
        service: str | FeatureService | None = None,
        context: Mapping[str, Any] | None = None,
        as_of: str | int | dt.datetime | None = None,
        full_feature_names: bool = False,
        entity_rows: Sequence[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> OnlineFeatures:
        """`FeatureStore.get_online_features`, of the server.

        Args:
            features: References such as `"user_ads:ctr_7d"`.
            entities: Join key -> values; request fields that differ by entity beside them.
            service: A service instead of features.
            context: Request fields with one value for all entities.
            as_of: The instant to answer for; the present by default.
            full_feature_names: Name columns `view__feature`.
            entity_rows: The entities as rows, by Feast's name.
            timeout: Seconds after which what the server does not have yet is INVALID, "deadline".

        Raises:
            HeadraceError: As `FeatureStore.get_online_features` does; `UnreachableError` where the server
                does not answer, `AuthError` where it does not know the caller.
        """
        if timeout is not None:
            Deadline.after(timeout, MonotonicClock())  # refuses what is no length of time
        given = by_column(entity_rows if entities is None else entities)
        body = question_body(
            features=features,
            service=service,
            entities=given,
            context=fields_of(context),
            as_of=as_of,
            full_feature_names=full_feature_names,
        )
        headers = {} if timeout is None else {"x-request-timeout-ms": str(max(1, math.ceil(timeout * 1_000)))}
        seconds = self._timeout if timeout is None else timeout + _GRACE
        sent = Sent("/get-online-features", lambda _again: body, _ARROW, seconds, headers)
        return answer_of(self._transport.send(sent), given)

    async def get_online_features_async(
        self,
        features: Sequence[str] | FeatureService | None = None,
        entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | None = None,
        *,
        service: str | FeatureService | None = None,
        context: Mapping[str, Any] | None = None,
        as_of: str | int | dt.datetime | None = None,
        full_feature_names: bool = False,
        entity_rows: Sequence[Mapping[str, Any]] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - an answer comes all the same, of what there is
    ) -> OnlineFeatures:
        """`get_online_features` from an event loop, which goes on meanwhile: on a thread of the client's."""

        def ask() -> OnlineFeatures:
            return self.get_online_features(
                features,
                entities,
                service=service,
                context=context,
                as_of=as_of,
                full_feature_names=full_feature_names,
                entity_rows=entity_rows,
                timeout=timeout,
            )

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    def push(self, source: str, rows: Any) -> Pushed:
        """`FeatureStore.push`, at the server; when this returns the events are durable and visible.

        A push whose answer was lost is sent again, as one that may have counted: the server takes it only
        where every row has the source's `event_id`, so that no event counts twice.

        Args:
            source: The source's name.
            rows: Dicts, Arrow, pandas or polars.

        Raises:
            HeadraceError: As `FeatureStore.push` does.
            ConflictError: The answer was lost, and rows have no event id: they may count or not.
            UnreachableError: No answer came in time; the remedy says whether the events may count.
        """
        first = push_body(source, rows, again=False)
        sent = Sent(
            "/push",
            lambda again: push_body(source, rows, again=True) if again else first,
            _JSON,
            self._timeout,
            lost="It may have been taken. With event ids it can be pushed again: no event counts twice.",
        )
        return Pushed(**json.loads(self._transport.send(sent)))
