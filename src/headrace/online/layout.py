"""Where things are in the online store: the keys of manifests, records, logs and quarantine.

Records of a segment or epoch share a prefix, so that they go together; the prefix of a segment is its
number alone, for it stands before the key of every entity. What belongs to one layout has keys of its own:
another layout lies beside it until it is cleared away. Logs and quarantine outlive layouts: they hold what
no load brings back.
"""

from __future__ import annotations

from headrace.clock import DAY
from headrace.keys import encode_key

__all__ = [
    "EARLIER",
    "EARLIER_RECORDS",
    "EPOCH",
    "LATE",
    "LAYOUT",
    "LOADINGS",
    "LOG",
    "MANIFEST",
    "NUMBERS",
    "PUSHES",
    "RECORDS",
    "STREAMS",
    "epoch_prefix",
    "inputs_key",
    "late_key",
    "late_prefix",
    "loading_key",
    "log_key",
    "log_prefix",
    "partitions_key",
    "progress_key",
    "quarantine_key",
    "quarantine_prefix",
    "segment_prefix",
    "stream_key",
    "stream_prefix",
    "tally_key",
]

LAYOUT = 3
"""The version of manifests and records."""

EPOCH = DAY
"""The length of an epoch of the stream: a UTC day."""

EARLIER = tuple(
    tuple(encode_key((kind,)) for kind in kinds)
    for kinds in (
        ("manifest", "stream", "loading", "generation", "epoch"),  # 1: generations were never added to
        ("manifest 2", "stream 2", "loading 2", "inputs", "s", "e"),  # 2: every record had one long header
    )
)
"""The prefixes of earlier layouts, oldest first: that of the manifest, that of streams, and others."""

EARLIER_RECORDS = tuple(encode_key((kind,)) for kind in ("generation", "epoch", "s", "e"))
"""The prefixes of records in earlier layouts; the key of the entity is the last that follows."""

MANIFEST = encode_key(("manifest 3",))
STREAMS = encode_key(("stream 3",))
LOADINGS = encode_key(("loading 3",))
NUMBERS = encode_key(("next segment",))
"""The number of the next segment, of whatever view."""
RECORDS = (encode_key((b"",))[:1], encode_key(("epoch 3",)))
"""What the keys of records begin with: of segments, whose first part is bytes, and of epochs."""
LOG, _LOG_OF_STREAM, LATE = "log", "log of stream", "late"
PUSHES = 0
"""The partition of pushes; those of streams are numbered from 1 on."""


def stream_key(view: str) -> bytes:
    """Which epochs and partitions of a view have records."""
    return STREAMS + encode_key((view,))


def loading_key(view: str) -> bytes:
    """Which load of a view is the newest."""
    return LOADINGS + encode_key((view,))


def inputs_key(view: str) -> bytes:
    """What the loaded segments of a view were made of."""
    return encode_key(("inputs 3", view))


def segment_prefix(segment: int) -> bytes:
    """The records of a segment; the entity's key follows."""
    return encode_key((segment.to_bytes((segment.bit_length() + 7) // 8),))


def stream_prefix(view: str, *stream: int) -> bytes:
    """All streams of a view, or all epochs of one."""
    return encode_key(("epoch 3", view, *stream))


def epoch_prefix(view: str, stream: int, epoch: int, partition: int) -> bytes:
    """The records one partition made in one epoch; the entity's key follows."""
    return encode_key(("epoch 3", view, stream, epoch, partition))


def log_prefix(source: str, partition: int) -> bytes:
    """The log of a partition of a source."""
    return encode_key((LOG, source) if partition == PUSHES else (_LOG_OF_STREAM, source, partition))


def log_key(source: str, partition: int, offset: int) -> bytes:
    """One entry of the log of a partition."""
    return log_prefix(source, partition) + encode_key((offset,))


def partitions_key(source: str) -> bytes:
    """Which partitions of streams a source has events of."""
    return encode_key(("partitions", source))


def progress_key(source: str, partition: int) -> bytes:
    """How far a partition of a stream is ingested, and by whom."""
    return encode_key(("progress", source, partition))


def late_prefix(view: str) -> bytes:
    """The late log of a view."""
    return encode_key((LATE, view))


def late_key(view: str, offset: int, partition: int) -> bytes:
    """Events that reached the stream after the generation that should hold them."""
    return encode_key((LATE, view, offset, partition))


def quarantine_prefix(source: str, *kind: str) -> bytes:
    """The quarantine of a source, or what of it has one kind of origin."""
    return encode_key(("quarantine", source, *kind))


def quarantine_key(source: str, kind: str, origin: str, ordinal: int) -> bytes:
    """One row in quarantine."""
    return encode_key(("quarantine", source, kind, origin, ordinal))


def tally_key(source: str) -> bytes:
    """How many rows of a source are in quarantine."""
    return encode_key(("tally", source))
