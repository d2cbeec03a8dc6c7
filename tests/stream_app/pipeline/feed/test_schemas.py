"""Frames are taken apart, and Avro, Protobuf and JSON by a schema become JSON, or a sentence."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_registry import AVRO, PROTOBUF, VALUE, avro, frame, types

from stream_app.pipeline.feed.schemas import Schema, SchemaError, decoder, framed


def test_avro_becomes_json():
    read = json.loads(decoder(Schema("AVRO", json.dumps(AVRO)))(avro(AVRO, VALUE)))
    assert read == VALUE | {"at": "2026-03-01T00:00:00+00:00", "raw": "ÿ\0a", "price": "12.50"}


def test_avro_refers_to_other_schemas():
    author = {"type": "record", "name": "net.Author", "fields": [{"name": "name", "type": "string"}]}
    post = {"type": "record", "name": "net.Post", "fields": [{"name": "author", "type": "net.Author"}]}
    whole = {**post, "fields": [{"name": "author", "type": author}]}
    schema = Schema("AVRO", json.dumps(post), (("net.Author", Schema("AVRO", json.dumps(author))),))
    assert json.loads(decoder(schema)(avro(whole, {"author": {"name": "A"}}))) == {"author": {"name": "A"}}


READERS = [decoder(Schema("AVRO", json.dumps(AVRO))), decoder(PROTOBUF)]


@given(st.binary(max_size=60))
def test_whatever_stands_behind_a_frame_is_read_or_told(payload):
    for read in READERS:
        try:
            json.loads(read(payload))
        except SchemaError:
            continue


def test_a_record_that_is_longer_than_its_schema_says_was_written_in_another():
    with pytest.raises(SchemaError, match="2 bytes more than its schema says"):
        decoder(Schema("AVRO", '"long"'))(b"\x02\x02\x02")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (Schema("XML", "<a/>"), "of the kind XML"),
        (Schema("AVRO", "{"), "cannot be used"),
        (Schema("AVRO", '{"type": "record"}'), "cannot be used"),
        (Schema("PROTOBUF", 'syntax = "proto3"; message Post {}'), "gives Protobuf as text only"),
    ],
)
def test_a_schema_of_no_use_is_told(schema, said):
    with pytest.raises(SchemaError, match=said):
        decoder(schema)


def test_protobuf_becomes_json_by_the_message_that_the_frame_names():
    of = types()
    read = decoder(PROTOBUF)
    first = of("net.First")(text="the bridge collapsed").SerializeToString()
    assert json.loads(read(b"\0" + first)) == {"text": "the bridge collapsed"}  # the short way to say: the first
    assert json.loads(read(b"\x02\x00" + first)) == {"text": "the bridge collapsed"}
    inner = of("net.Second.Inner")(text="hi", author={"name": "A"}, id=2**60, raw=b"\xff")
    inner.created_at.FromDatetime(datetime(2026, 3, 1, tzinfo=UTC))
    path = b"\x04\x02\x00"  # two indexes: the second message, and the first in it
    assert json.loads(read(path + inner.SerializeToString())) == {
        "text": "hi",
        "created_at": "2026-03-01T00:00:00Z",
        "author": {"name": "A"},
        "id": str(2**60),
        "raw": "/w==",
    }


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"\x02\x08", "no message type at 4"),
        (b"\x02\x01", "no message type at -1"),
        (b"\x04\x02\x02", "no message type at 1.1"),
        (b"\x7e", "path of 63 message indexes"),
        (b"\x01", "path of -1 message indexes"),
        (b"\x04\x80", "cut short"),
        (b"\xff\xff\xff\xff\xff\xff", "cut short"),
        (b"", "cut short"),
        (b"\x00\xff\xff", "not what its schema says"),
    ],
)
def test_a_frame_that_names_no_message_is_told(payload, said):
    with pytest.raises(SchemaError, match=said):
        decoder(PROTOBUF)(payload)


def test_json_behind_a_frame_is_taken_as_it_is():
    assert decoder(Schema("JSON", "{}"))(b'{"text": "hi"}') == b'{"text": "hi"}'


def test_only_a_zero_byte_and_more_than_an_id_make_a_frame():
    assert framed(frame(7, b"x")) == (7, b"x")
    assert framed(frame(2**32 - 1, b"xy")) == (2**32 - 1, b"xy")
    for value in (None, b"", b"\0\0\0\0\7", b'{"a": 1}', b"\1" + b"x" * 20):
        assert framed(value) is None
