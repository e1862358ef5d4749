"""Events in Avro and Protocol Buffers through real brokers are what history says."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import headrace as hr
from headrace.clock import MINUTE, instant
from headrace.errors import DefinitionError
from tests.ingesting.test_follow import MIDNIGHT, Place, click, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.services.kafka import Topic

HEADER = b"\x00\x00\x00\x00\x07"
CLICK = {
    "type": "record",
    "name": "Click",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "id", "type": "string"},
        {"name": "price", "type": "string"},
        {"name": "ad", "type": "long"},
    ],
}


def avro_of(event: dict[str, Any]) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(CLICK), {**event, "ts": instant(event["ts"])})
    return HEADER + written.getvalue()


def click_class() -> Any:
    """What `protoc` makes of a message of texts and numbers."""
    of = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="ads.proto", package="ads", syntax="proto3")
    message = file.message_type.add(name="Click")
    for number, name in enumerate(("user_id", "ts", "id", "price", "ad"), 1):
        kind = of.TYPE_INT64 if name == "ad" else of.TYPE_STRING
        message.field.add(name=name, number=number, type=kind, label=of.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ads.Click"))


def protobuf_of(event: dict[str, Any]) -> bytes:
    serialized: bytes = click_class()(**event).SerializeToString()
    return HEADER + b"\x00" + serialized


FORMS: dict[str, tuple[Callable[[], Any], Callable[[dict[str, Any]], bytes]]] = {
    "avro": (lambda: hr.Avro(json.dumps(CLICK)), avro_of),
    "protobuf": (lambda: hr.Protobuf(click_class()), protobuf_of),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Any:
    return FORMS[request.param]


@pytest.fixture(params=["kafka", "redis"])
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[Callable[..., hr.Stream], Callable[..., None]]]:
    """What makes a stream's definition, and what writes messages to it."""
    if request.param == "kafka":
        topic: Topic = request.getfixturevalue("tansu_topic")
        yield (
            lambda messages: hr.KafkaStream(topic.name, brokers=topic.brokers, messages=messages),
            lambda messages: topic.write(0, messages),
        )
        return
    import redis as driver

    url = request.getfixturevalue("redis_url")
    with driver.Redis.from_url(url) as client:
        yield (
            lambda messages: hr.RedisStream("ads", url=url, messages=messages),
            lambda messages: [client.xadd("ads", {"data": each}) for each in messages],
        )


def test_what_comes_in_another_form_is_what_history_says(tmp_path, form, broker):
    (declare, encode), (stream, write) = form, broker
    place = Place(tmp_path / "project", stream=stream(declare()))
    place.store.materialize(end=MIDNIGHT)
    events = [click(100 + n, f"u{n % 3}", MIDNIGHT + n * MINUTE) for n in range(60)]
    write(list(map(encode, events[:30])))
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.rejected) == (30, 0)
    bad = [b"{}", HEADER, encode(events[0])[:-1], encode({**events[0], "price": "much"})]
    write([*map(encode, events[30:]), *bad, *map(encode, events[:10])])
    with hr.FeatureStore(place.home, clock=place.clock) as other:  # it knows the schema from the registry
        (done,) = other.ingest(once=True)
    assert (done.accepted, done.duplicates, done.rejected) == (30, 10, 4)
    assert place.store.quarantine("ads").counts["ads"] == {"malformed": 3, "uncastable": 1}
    assert place.ask() == place.history([*place.before, *events])
    place.store.close()


def test_messages_without_event_times_are_refused_when_they_are_applied(tmp_path: Path):
    timeless = {**CLICK, "fields": [each for each in CLICK["fields"] if each["name"] != "ts"]}
    with pytest.raises(DefinitionError, match="messages of its stream have no 'ts', its timestamp"):
        Place(tmp_path / "project", stream=hr.KafkaStream("ads", messages=hr.Avro(json.dumps(timeless))))


def test_the_form_of_messages_changes_no_fingerprint():
    from headrace.definitions.canonical import document

    plain = document(source(stream=hr.KafkaStream("ads")))
    formed = document(source(stream=hr.KafkaStream("ads", messages=hr.Avro(json.dumps(CLICK)))))
    assert formed.semantic == plain.semantic
    assert formed.metadata != plain.metadata
