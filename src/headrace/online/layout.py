"""Where things are in the online store: the keys of manifests, records, logs and quarantine.

Views are named by `name@version`. Records of a generation or epoch share a prefix, so that they go together.
"""

from __future__ import annotations

from headrace.keys import encode_key

__all__ = [
    "LATE",
    "LOG",
    "MANIFEST",
    "epoch_prefix",
    "generation_prefix",
    "generations_prefix",
    "late_key",
    "late_prefix",
    "loading_key",
    "log_key",
    "log_prefix",
    "quarantine_key",
    "quarantine_prefix",
    "stream_key",
    "view_epochs_prefix",
]

MANIFEST = encode_key(("manifest",))
LOG, LATE = "log", "late"


def stream_key(view: str) -> bytes:
    """Which epochs and partitions of a view have records."""
    return encode_key(("stream", view))


def loading_key(view: str) -> bytes:
    """Which load of a view is the newest."""
    return encode_key(("loading", view))


def generations_prefix(view: str, generation: int) -> bytes:
    """All segments of a generation."""
    return encode_key(("generation", view, generation))


def generation_prefix(view: str, generation: int, segment: int) -> bytes:
    """The records of one segment of a generation; the entity's key follows."""
    return encode_key(("generation", view, generation, segment))


def view_epochs_prefix(view: str, *epoch: int) -> bytes:
    """All epochs of a view, or all partitions of one."""
    return encode_key(("epoch", view, *epoch))


def epoch_prefix(view: str, epoch: int, partition: int) -> bytes:
    """The records one partition made in one epoch; the entity's key follows."""
    return encode_key(("epoch", view, epoch, partition))


def log_prefix(source: str) -> bytes:
    """The push log of a source."""
    return encode_key((LOG, source))


def log_key(source: str, offset: int) -> bytes:
    """One entry of the push log."""
    return encode_key((LOG, source, offset))


def late_prefix(view: str) -> bytes:
    """The late log of a view."""
    return encode_key((LATE, view))


def late_key(view: str, offset: int) -> bytes:
    """Events that reached the stream after the generation that should hold them."""
    return encode_key((LATE, view, offset))


def quarantine_prefix(source: str) -> bytes:
    """The quarantine of a source."""
    return encode_key(("quarantine", source))


def quarantine_key(source: str, batch: str, ordinal: int) -> bytes:
    """One row in quarantine."""
    return encode_key(("quarantine", source, batch, ordinal))
