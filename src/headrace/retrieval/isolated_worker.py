"""The process of one isolated function; `headrace.retrieval.isolated` starts it.

It loads the project's definitions itself, answers rows with results until its standard input ends, and ends
with the process that started it. Frames are a length and an Arrow stream; nothing else is ever read.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.definitions.loading import load_definitions
from headrace.definitions.on_demand import OnDemandFeature
from headrace.errors import HeadraceError, StoreError
from headrace.kernel.columns import python_values
from headrace.retrieval.calling import compute_row
from headrace.retrieval.returned import fitting

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["INSTANTS", "READY", "REASONS", "VALUES", "read_frame", "stream_of", "write_frame"]

READY = b"ready"
"""The first frame of a worker that can be asked; any other says in words why it cannot."""
INSTANTS, VALUES, REASONS = "at the instant", "values", "reasons"
"""Columns of frames beside parameters, whose names have no blanks."""
LENGTH = struct.Struct("<Q")


def read_frame(source: BinaryIO) -> bytes:
    """The next frame; empty at the end."""
    head = source.read(LENGTH.size)
    return source.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def write_frame(sink: BinaryIO, frame: bytes) -> None:
    """Write a frame."""
    sink.write(LENGTH.pack(len(frame)) + frame)
    sink.flush()


def stream_of(columns: dict[str, pa.Array]) -> bytes:
    """Columns as an Arrow stream."""
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _end_with(lifeline: int) -> None:
    """End when the other end of a pipe is closed: with the process that holds it, whatever ended that.

    The kernel's signal ends this process even while a function holds Python's lock; the thread is for systems
    without that signal.
    """
    if sys.platform != "win32":
        import fcntl

        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """What frames are read from and written to; what the function prints goes to standard error."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return source, sink


def _function(project: str, named: Any, reference: str, hashes: list[str]) -> OnDemandFeature:
    """The function, if the project's files define it as it was applied."""
    for each in load_definitions(project, named):
        if isinstance(each, OnDemandFeature) and str(each.reference) == reference:
            if [each.source_hash, each.module_hash] == hashes:
                return each
            raise StoreError("its code is not the code that was applied")
    raise StoreError("the project's files do not define it; what is isolated has to be in them")


def _answer(function: OnDemandFeature, frame: bytes) -> bytes:
    table = pa.ipc.open_stream(frame).read_all()
    instants = table[INSTANTS].to_pylist()
    given = {
        name: table[name].to_pylist() if name in function.request else python_values(table[name])
        for name in table.column_names
        if name != INSTANTS
    }
    values, reasons = [], []
    for row, at in enumerate(instants):
        value, why = compute_row(function, {name: column[row] for name, column in given.items()}, at)
        values.append(value)
        reasons.append(why)
    return stream_of({VALUES: pa.array(values, function.output.arrow()), REASONS: pa.array(reasons)})


def main() -> None:
    """Say whether there is the function, then answer frames until there are no more."""
    asked = json.loads(sys.argv[1])
    source, sink = _own_streams()
    _end_with(asked["lifeline"])
    try:
        function = _function(asked["project"], asked["named"], asked["reference"], asked["hashes"])
    except HeadraceError as error:
        write_frame(sink, error.message.encode("utf-8", "backslashreplace"))
        return
    fitting(None, function.output)
    nothing = {name: pa.array([], pa.string()) for name in (*function.inputs, *function.request)}
    _answer(function, stream_of({**nothing, INSTANTS: pa.array([], pa.int64())}))  # what is slow once is done
    write_frame(sink, READY)
    while frame := read_frame(source):
        write_frame(sink, _answer(function, frame))


if __name__ == "__main__":
    main()
