"""Messages in Avro and Protocol Buffers come to what the same event in JSON comes to."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2, wrappers_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.errors import DefinitionError, StoreError
from headrace.intake.messages import LARGEST, MessageDecoder
from headrace.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.definitions.message_form import MessageForm
    from headrace.intake.messages import Decoded

AT = dt.datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=dt.UTC)
SCHEMA = Schema(
    {
        "user_id": "string",
        "ts": "timestamp",
        "price": "decimal(12,4)",
        "ad": "int64",
        "score": "double",
        "tags": "list<string>",
        "kind": "string",
        "day": "date",
        "seen": "bool",
        "extra": "string",
    }
)
HEADER = b"\x00\x00\x00\x00\x07"

AVRO = {
    "type": "record",
    "name": "Click",
    "namespace": "ads",
    "fields": [
        {"name": "user_id", "type": ["null", "string"], "default": None},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 4}},
        {"name": "ad", "type": "long"},
        {"name": "score", "type": "double"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["SHOWN", "CLICKED"]}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "seen", "type": "boolean"},
        {"name": "extra", "type": {"type": "map", "values": "int"}},
        {"name": "unknown", "type": "bytes"},
    ],
}
EVENT: dict[str, Any] = {
    "user_id": "Żółw",
    "ts": AT,
    "price": Decimal("12.2500"),
    "ad": 7,
    "score": 0.1,
    "tags": ["a", "b"],
    "kind": "CLICKED",
    "day": dt.date(2026, 3, 2),
    "seen": True,
    "extra": {"x": 1},
    "unknown": b"\xff",
}
AS_JSON = json.dumps(
    {**EVENT, "ts": AT.isoformat(), "price": "12.2500", "day": "2026-03-02", "unknown": 1},
    separators=(",", ":"),
).encode()


def avro_of(event: dict[str, Any], schema: dict[str, Any] = AVRO, header: bytes = HEADER) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), event)
    return header + written.getvalue()


def proto_file() -> descriptor_pb2.FileDescriptorProto:
    """What `protoc` makes of a file with a message `ads.Click`."""
    of = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="ads.proto",
        package="ads",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"],
    )
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="SHOWN", number=0)
    kind.value.add(name="CLICKED", number=1)
    file.message_type.add(name="Other")
    click = file.message_type.add(name="Click")
    entry = click.nested_type.add(name="ExtraEntry")
    entry.options.map_entry = True
    for number, (name, kind_of) in enumerate([("key", of.TYPE_STRING), ("value", of.TYPE_INT32)], 1):
        entry.field.add(name=name, number=number, type=kind_of, label=of.LABEL_OPTIONAL)
    fields: list[tuple[str, int, str, bool]] = [
        ("user_id", of.TYPE_MESSAGE, ".google.protobuf.StringValue", False),
        ("ts", of.TYPE_MESSAGE, ".google.protobuf.Timestamp", False),
        ("price", of.TYPE_STRING, "", False),
        ("ad", of.TYPE_INT64, "", False),
        ("score", of.TYPE_DOUBLE, "", False),
        ("tags", of.TYPE_STRING, "", True),
        ("kind", of.TYPE_ENUM, ".ads.Kind", False),
        ("day", of.TYPE_STRING, "", False),
        ("seen", of.TYPE_BOOL, "", False),
        ("extra", of.TYPE_MESSAGE, ".ads.Click.ExtraEntry", True),
        ("unknown", of.TYPE_BYTES, "", False),
    ]
    for number, (name, kind_of, type_name, repeated) in enumerate(fields, 1):
        click.field.add(
            name=name,
            number=number,
            type=kind_of,
            type_name=type_name or None,
            label=of.LABEL_REPEATED if repeated else of.LABEL_OPTIONAL,
        )
    return file


def proto_set() -> bytes:
    """What `protoc --include_imports --descriptor_set_out` writes."""
    files = descriptor_pb2.FileDescriptorSet()
    for each in (timestamp_pb2, wrappers_pb2):
        each.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.append(proto_file())
    return files.SerializeToString()


def proto_class() -> Any:
    """What `protoc --python_out` makes of the message."""
    pool = descriptor_pool.DescriptorPool()
    for each in descriptor_pb2.FileDescriptorSet.FromString(proto_set()).file:
        pool.Add(each)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ads.Click"))


def proto_of(event: dict[str, Any], header: bytes = HEADER + b"\x02\x02") -> bytes:
    """The event; the header's path says that it is the second message of its file."""
    message = proto_class()()
    given = {**event, "price": str(event["price"]), "day": str(event["day"])}
    for name in ("price", "ad", "score", "kind", "day", "seen", "unknown"):
        setattr(message, name, given[name])
    message.tags.extend(given["tags"])
    message.extra.update(given["extra"])
    if given["user_id"] is not None:
        message.user_id.value = given["user_id"]
    if given["ts"] is not None:
        message.ts.FromDatetime(given["ts"])
    return header + message.SerializeToString()


def avro(**more: Any) -> MessageForm:
    return hr.Avro(json.dumps(AVRO), **more)


def protobuf(**more: Any) -> MessageForm:
    return hr.Protobuf(proto_class(), **more)


FORMS = {"avro": (avro, avro_of), "protobuf": (protobuf, proto_of)}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Any:
    """How a form is declared, and how messages of it are written."""
    return FORMS[request.param]


def decoded(of: MessageForm | None, *values: bytes | None) -> Decoded:
    return MessageDecoder(SCHEMA, of).decode(values)


def reasons(found: Decoded) -> list[tuple[int, str, str]]:
    return [(each.message, each.rule, each.reason) for each in found.unreadable]


def same_row(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Times may be written in several ways; the rest is the same text."""
    assert dt.datetime.fromisoformat(found.pop("ts")) == dt.datetime.fromisoformat(wanted.pop("ts"))
    assert found == wanted


def test_an_event_comes_to_what_its_json_comes_to(form):
    declare, write = form
    (found,) = decoded(declare(), write(EVENT)).rows.to_pylist()
    (wanted,) = decoded(None, AS_JSON).rows.to_pylist()
    same_row(found, wanted)
    (bare,) = decoded(declare(framing="none"), write(EVENT, header=b"")).rows.to_pylist()
    same_row(bare, decoded(None, AS_JSON).rows.to_pylist()[0])


def test_what_json_has_not_is_told_as_text(form):
    declare, write = form
    some = [{**EVENT, "score": each, "user_id": None} for each in (math.nan, math.inf, -math.inf)]
    rows = decoded(declare(), *map(write, some)).rows.to_pylist()
    assert [row["score"] for row in rows] == ["nan", "inf", "-inf"]
    assert {row["user_id"] for row in rows} == {None}


def test_small_decimals_have_no_exponent():
    (row,) = decoded(avro(), avro_of({**EVENT, "price": Decimal("0.0000")})).rows.to_pylist()
    assert row["price"] == "0.0000"


def test_decimals_of_avro_are_not_rounded_and_large_ones_are_refused_at_once():
    schema = {**AVRO, "fields": [{"name": "price", "type": AVRO["fields"][2]["type"]}]}
    large = b"\x80\x89\x7a" + b"\x7f" * 1_000_000  # its length, and its digits
    found = decoded(hr.Avro(json.dumps(schema)), HEADER + large, HEADER + b"\x10\x7f" + b"\xff" * 7)
    assert found.rows["price"].to_pylist() == ["922337203685477.5807"]
    assert reasons(found) == [(0, "malformed", "no Avro: ValueError a decimal of 1000000 bytes")]


def test_bad_messages_are_told_one_by_one_and_the_others_go_on(form):
    declare, write = form
    good = write(EVENT)
    found = decoded(
        declare(),
        good,
        None,
        b"",
        good[:9],
        b"\x01" + good,
        b"\x00",
        good,
        HEADER + b"\xff" * 40,
        bytes(LARGEST + 1),
    )
    assert found.message.tolist() == [0, 6]
    assert found.rows.num_rows == 2
    told = reasons(found)
    assert [place for place, _, _ in told] == [1, 2, 3, 4, 5, 7, 8]
    assert {rule for _, rule, _ in told} == {"malformed"}
    text = [reason for _, _, reason in told]
    assert text[0] == text[1] == "an empty message"
    assert text[3] == text[4] == 'it does not begin with the header of framing="confluent"'
    assert "are the most" in text[6]


def test_avro_with_something_behind_it_is_of_another_schema():
    newer = {**AVRO, "fields": [*AVRO["fields"], {"name": "added", "type": "string"}]}
    found = decoded(avro(), avro_of({**EVENT, "added": "x"}, newer))
    assert reasons(found) == [(0, "malformed", "no Avro of this schema: there is more than it says")]


def test_a_number_of_the_schema_that_is_not_the_declared_one_is_refused():
    other = b"\x00\x00\x00\x00\x08"
    found = decoded(avro(schema_id=7), avro_of(EVENT), avro_of(EVENT, header=other))
    assert found.message.tolist() == [0]
    assert reasons(found) == [(1, "malformed", "its schema has the number 8, not 7")]


def test_bytes_that_are_no_text_are_told():
    schema = {**AVRO, "fields": [{"name": "user_id", "type": "bytes"}, {"name": "ad", "type": "int"}]}
    found = decoded(
        hr.Avro(json.dumps(schema)),
        avro_of({"user_id": b"\xff", "ad": 1}, schema),
        avro_of({"user_id": b"u1", "ad": 1}, schema),
    )
    assert reasons(found) == [(0, "malformed", "bytes in it are no UTF-8")]
    assert [row["user_id"] for row in found.rows.to_pylist()] == ["u1"]


@pytest.mark.parametrize("path", [b"\x00", b"\x04\x02\x00", b"\x02\x02"], ids=["first", "inner", "second"])
def test_the_path_of_a_protobuf_message_is_passed_over(path):
    (row,) = decoded(protobuf(), proto_of(EVENT, HEADER + path)).rows.to_pylist()
    assert row["user_id"] == "Żółw"


def test_a_path_that_never_ends_is_told():
    found = decoded(protobuf(), HEADER + b"\xff" * 30, HEADER + b"\x06", HEADER)
    assert {reason for _, _, reason in reasons(found)} == {
        "it does not say which message of the schema's file it is"
    }  # fmt: skip
    assert len(found.unreadable) == 3


def test_a_schema_is_read_from_a_file_and_kept_whole(tmp_path: Path):
    (tmp_path / "ads.avsc").write_text(json.dumps(AVRO, indent=2))
    (tmp_path / "ads.desc").write_bytes(proto_set())
    here = str(tmp_path / "features.py:3")
    assert hr.Avro("ads.avsc", written=here) == hr.Avro(tmp_path / "ads.avsc") == avro()
    from_file = hr.Protobuf("ads.desc", "ads.Click", written=here)
    assert from_file.message == protobuf().message == "ads.Click"
    assert decoded(from_file, proto_of(EVENT)).rows.equals(decoded(protobuf(), proto_of(EVENT)).rows)


def schema_of(*fields: Any) -> str:
    return json.dumps(
        {
            "type": "record",
            "name": "N",
            "fields": [{"name": f"f{n}", "type": of} for n, of in enumerate(fields)],
        }
    )


NULLS = {"type": "record", "name": "Nulls", "fields": [{"name": "n", "type": "null"}]}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.Avro(schema_of(["null", "N"])), "type N holds itself"),
        (lambda: hr.Avro(schema_of({"type": "map", "values": ["int", "N"]})), "holds itself"),
        (lambda: hr.Avro(schema_of({"type": "array", "items": "null"})), "items that take no bytes"),
        (lambda: hr.Avro(schema_of(NULLS, {"type": "array", "items": "Nulls"})), "items that take no bytes"),
        (
            lambda: hr.Avro(schema_of({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})),
            "items that take no bytes",
        ),
        (lambda: hr.Avro(schema_of("Nobody")), "type that is not there: Nobody"),
        (lambda: hr.Avro('{"type": "array", "items": "int"}'), "not that of a record"),
        (lambda: hr.Avro('{"type": "record", "name": "N"}'), "malformed"),
        (lambda: hr.Avro("{"), "no JSON"),
        (lambda: hr.Avro("no_such.avsc"), "no_such.avsc cannot be read"),
        (lambda: hr.Avro(" "), "schema is a text"),
        (lambda: hr.Avro(schema_of("int"), framing="kafka"), 'framing is "confluent" or "none"'),
        (lambda: hr.Avro(schema_of("int"), schema_id="7"), "schema_id is a number"),
        (lambda: hr.Avro(schema_of("int"), schema_id=7, framing="none"), "name no schema_id"),
        (lambda: hr.Protobuf("no_such.desc", "ads.Click"), "no_such.desc cannot be read"),
        (lambda: hr.Protobuf(7, "ads.Click"), "schema is a file"),
        (lambda: hr.Protobuf(__file__), "message is a text"),
        (lambda: hr.KafkaStream("ads", messages="avro"), r"messages is hr.Avro\(..\) or hr.Protobuf\(..\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_declared_is_told_with_file_and_line(make, says):
    with pytest.raises(DefinitionError, match=says) as told:
        make()
    assert "test_message_forms.py:" in str(told.value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.Avro(schema_of({"type": "enum", "name": "E", "symbols": ["a b"]})), "the schema is none"),
        (lambda: hr.Protobuf(__file__, "ads.Click"), "the schema is none"),
        (
            lambda: hr.Protobuf(proto_class(), "ads.Clack"),
            r"no message ads.Clack; it has .*ads.Other, ads.Click",
        ),
    ],
    ids=["avro", "protobuf", "message"],
)
def test_a_schema_that_is_none_is_told_by_its_reader(make, says):
    with pytest.raises(DefinitionError, match=says):
        decoded(make(), avro_of(EVENT))


@pytest.mark.parametrize(("driver", "extra"), [("fastavro", "avro"), ("google.protobuf.message", "protobuf")])
def test_without_the_driver_it_is_told_what_to_install(monkeypatch, driver, extra):
    monkeypatch.setitem(sys.modules, driver, None)
    declare, write = FORMS[extra]
    of, message = declare(), write(EVENT)
    with pytest.raises(StoreError, match=rf"pip install 'headrace\[{extra}\]'"):
        decoded(of, message)


TEXTS = st.text(max_size=8)
EVENTS = st.fixed_dictionaries(
    {
        "user_id": st.none() | TEXTS,
        "ts": st.timedeltas(dt.timedelta(-700_000), dt.timedelta(2_900_000)).map(lambda since: AT + since),
        "price": st.decimals("-99999999.9999", "99999999.9999", places=4),
        "ad": st.integers(-(1 << 63), (1 << 63) - 1),
        "score": st.floats(),
        "tags": st.lists(TEXTS, max_size=3),
        "kind": st.sampled_from(["SHOWN", "CLICKED"]),
        "day": st.dates(),
        "seen": st.booleans(),
        "extra": st.dictionaries(TEXTS, st.integers(-(1 << 31), (1 << 31) - 1), max_size=3),
        "unknown": st.binary(max_size=4),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, min_size=1, max_size=4))
def test_whatever_an_event_holds_comes_as_it_is(form, events):
    declare, write = form
    found = decoded(declare(), *map(write, events))
    assert (found.unreadable, found.rows.num_rows) == ([], len(events))
    for row, event in zip(found.rows.to_pylist(), events, strict=True):
        assert (row["user_id"], row["kind"]) == (event["user_id"], event["kind"])
        assert dt.datetime.fromisoformat(row["ts"]) == event["ts"]
        assert (Decimal(row["price"]), int(row["ad"])) == (event["price"], event["ad"])
        assert float(row["score"]) == event["score"] or math.isnan(event["score"])
        assert dt.date.fromisoformat(row["day"]) == event["day"]
        assert (json.loads(row["tags"]), json.loads(row["extra"])) == (event["tags"], event["extra"])
        assert row["seen"] == str(event["seen"]).lower()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_bytes_come_are_rows_or_told(form, data):
    declare, write = form
    valid = write(EVENT)
    bent = st.builds(
        lambda at, end, new: valid[:at] + new + valid[end:],
        st.integers(0, len(valid)),
        st.integers(0, len(valid)),
        st.binary(max_size=6),
    )
    some = data.draw(
        st.lists(bent | st.binary(max_size=40).map(lambda body: HEADER + body), min_size=1, max_size=5)
    )
    found = decoded(declare(), *some)
    told = [each.message for each in found.unreadable]
    assert sorted([*told, *found.message.tolist()]) == list(range(len(some)))
    assert all(each.reason for each in found.unreadable)
