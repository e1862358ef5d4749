"""How Redis streams are opened: with options from the environment, and only where the driver is installed.

User and password stand in the environment and never in a definition: `HEADRACE_REDIS__USERNAME` and
`HEADRACE_REDIS__PASSWORD`, and so any other option of a connection by the name that the driver (redis-py) has
for it. They hold for all streams; those of TLS only where there is TLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.extras import needing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.definitions.stream import RedisStream
    from headrace.ports.event_stream import EventStream

__all__ = ["open_redis_stream"]


def open_redis_stream(stream: RedisStream, group: str, environ: Mapping[str, str]) -> EventStream:
    """A stream over Redis streams; Redis is not asked yet.

    Args:
        stream: Where they are.
        group: The consumer group that people see our position under.
        environ: Environment variables.

    Raises:
        StoreError: The driver is not installed, or does not take an option.
    """
    with needing("redis", "redis", "The driver of Redis"):
        from headrace.streams.redis_stream_errors import PREFIX
        from headrace.streams.redis_streams import RedisStreams
    settings = {
        name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)
    }
    return RedisStreams(stream.key, stream.url, group, stream.partitions, settings)
