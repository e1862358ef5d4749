"""Forms of messages that are no JSON: what is in them is said by a schema, which the registry keeps whole."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.definitions.avro_schema import trouble_of
from headrace.definitions.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BASE64", "FORMS", "FRAMINGS", "Avro", "MessageForm", "Protobuf"]

FRAMINGS = ("confluent", "none")
"""What may stand before messages."""
BASE64 = "base64:"
"""What the schema of Protobuf messages begins with once it is read."""


@dataclass(frozen=True)
class MessageForm(Written):
    """The base of all forms.

    Attributes:
        framing: What stands before each message: "confluent" is the header that serializers of the Confluent
            platform write, which begins with a zero byte and the schema's number; or "none".
    """

    _: KW_ONLY
    framing: str = "confluent"

    form: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Check the framing."""
        super().__post_init__()
        if self.framing not in FRAMINGS:
            told = " or ".join(f'"{each}"' for each in FRAMINGS)
            raise self.wrong(f"framing is {told}, not {self.framing!r}.", self.framing, "Give one of them.")

    def _file(self, path: str | os.PathLike[str]) -> bytes:
        """What a file holds that is named relative to the file in which this is written."""
        found = Path(self.written.rpartition(":")[0]).parent / path
        try:
            return found.read_bytes()
        except OSError as error:
            raise self.wrong(
                f"{found} cannot be read: {error.strerror}.",
                str(path),
                "Name a file, relative to the one in which this is written.",
            ) from None


@dataclass(frozen=True)
class Avro(MessageForm):
    """Avro, one record a message, without the container of files.

    Attributes:
        schema: The record's schema as JSON; or a file that holds it (`.avsc`), relative to the one in which
            this is written.
        schema_id: The schema's number; messages that name another are refused. None to read all alike.
    """

    schema: str
    _: KW_ONLY
    schema_id: int | None = None

    form: ClassVar[str] = "avro"

    if TYPE_CHECKING:

        def __init__(
            self,
            schema: str | os.PathLike[str],
            *,
            framing: str = "confluent",
            schema_id: int | None = None,
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Read the schema, and check what would let a message do harm."""
        super().__post_init__()
        if isinstance(self.schema, os.PathLike):
            object.__setattr__(self, "schema", os.fspath(self.schema))
        self._text("schema")
        text = self.schema
        try:
            if not text.lstrip().startswith(("{", "[", '"')):
                text = self._file(text).decode()
            schema = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.wrong(
                f"the schema is no JSON: {error}.", text, "Give the text of a .avsc file."
            ) from None
        trouble = trouble_of(schema)
        if trouble:
            raise self.wrong(trouble, text, "Messages are records of plain values, lists and maps.")
        object.__setattr__(self, "schema", json.dumps(schema, separators=(",", ":")))
        if self.schema_id is not None and type(self.schema_id) is not int:
            raise self.wrong("schema_id is a number.", self.schema_id, "Leave it out to read all alike.")
        if self.schema_id is not None and self.framing == "none":
            raise self.wrong(
                "messages without a frame name no schema_id.", self.schema_id, "Leave out one of them."
            )


@dataclass(frozen=True)
class Protobuf(MessageForm):
    """Protocol Buffers.

    Attributes:
        schema: A file that `protoc --include_imports --descriptor_set_out` wrote, relative to the one in
            which this is written; or the class that `protoc` made of the message.
        message: The message's full name, such as `ads.Click`; that of the class, if one is given.
    """

    schema: str
    message: str = ""

    form: ClassVar[str] = "protobuf"

    if TYPE_CHECKING:

        def __init__(
            self,
            schema: str | os.PathLike[str] | type,
            message: str = "",
            *,
            framing: str = "confluent",
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Read the schema."""
        super().__post_init__()
        given: Any = self.schema
        descriptor = getattr(given, "DESCRIPTOR", None)
        if descriptor is not None:
            object.__setattr__(self, "message", self.message or descriptor.full_name)
            found = b"".join(map(_as_member, _files(descriptor.file, {})))
        elif isinstance(given, str) and given.startswith(BASE64):
            found = base64.b64decode(given.removeprefix(BASE64))
        elif isinstance(given, (str, os.PathLike)) and str(given).strip():
            found = self._file(given)
        else:
            raise self.wrong(
                f"schema is a file, not {given!r}.", given, "Write it with protoc --descriptor_set_out."
            )
        object.__setattr__(self, "schema", BASE64 + base64.b64encode(found).decode())
        self._text("message")


def _files(file: Any, seen: dict[str, Any]) -> Iterator[bytes]:
    """A file of a Protobuf schema, as a descriptor knows it, those that it imports first."""
    if file.name not in seen:
        seen[file.name] = file
        for each in file.dependencies:
            yield from _files(each, seen)
        yield file.serialized_pb


def _as_member(file: bytes) -> bytes:
    """A file as a member of a set of files: a tag, its length (seven bits a byte, lowest first), itself."""
    length, rest = b"", len(file)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return b"\n" + length + bytes([rest]) + file


FORMS: Mapping[str, type[MessageForm]] = {each.form: each for each in (Avro, Protobuf)}
"""Forms, by their names in documents."""
