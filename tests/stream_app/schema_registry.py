"""A Schema Registry on loopback, which answers as Confluent's does, and records written by its schemas."""

from __future__ import annotations

import base64
import io
import struct
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import fastavro
from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.timestamp_pb2 import Timestamp

from stream_app.pipeline.feed.schemas import Schema


def frame(schema: int, payload: bytes) -> bytes:
    return b"\0" + struct.pack(">I", schema) + payload


def serialized(file: descriptor_pb2.FileDescriptorProto) -> str:
    """As a registry gives it for ``format=serialized``."""
    return base64.b64encode(file.SerializeToString()).decode()


FIELD = descriptor_pb2.FieldDescriptorProto

AVRO = {
    "type": "record",
    "name": "Post",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "raw", "type": "bytes"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
    ],
}
VALUE = {
    "id": 2**62,
    "text": "the bridge collapsed",
    "at": datetime(2026, 3, 1, tzinfo=UTC),
    "raw": b"\xff\x00a",
    "price": Decimal("12.50"),
    "tags": {"a": "b"},
}


def avro(schema, value) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def message(name, *fields, nested=()):
    made = descriptor_pb2.DescriptorProto(name=name, nested_type=nested)
    for number, (field, kind, of) in enumerate(fields, 1):
        made.field.add(name=field, number=number, type=kind, type_name=of, label=FIELD.LABEL_OPTIONAL)
    return made


def post_file():
    """A file with two messages, the second with one inside that uses a time and a type of another file."""
    inner = message(
        "Inner",
        ("text", FIELD.TYPE_STRING, None),
        ("created_at", FIELD.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("author", FIELD.TYPE_MESSAGE, ".net.Author"),
        ("id", FIELD.TYPE_INT64, None),
        ("raw", FIELD.TYPE_BYTES, None),
    )
    return descriptor_pb2.FileDescriptorProto(
        name="post.proto",
        package="net",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "author.proto"],
        message_type=[message("First", ("text", FIELD.TYPE_STRING, None)), message("Second", nested=[inner])],
    )


AUTHOR = descriptor_pb2.FileDescriptorProto(
    name="author.proto",
    package="net",
    syntax="proto3",
    message_type=[message("Author", ("name", FIELD.TYPE_STRING, None))],
)
PROTOBUF = Schema("PROTOBUF", serialized(post_file()), (("author.proto", Schema("PROTOBUF", serialized(AUTHOR))),))


def types():
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(Timestamp.DESCRIPTOR.file.serialized_pb)
    pool.Add(AUTHOR)
    pool.Add(post_file())
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def text_file(*fields):
    """A file with one message of strings."""
    strings = [(each, FIELD.TYPE_STRING, None) for each in fields]
    return descriptor_pb2.FileDescriptorProto(name="t.proto", syntax="proto3", message_type=[message("T", *strings)])


def text_type(*fields):
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_file(*fields))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("T"))


class RegistryServer:
    """Schemas by id, and by (subject, version) for references; ``status`` other than 200 is answered to everything."""

    def __init__(self) -> None:
        self.ids: dict[int, dict] = {}
        self.subjects: dict[tuple[str, int], dict] = {}
        self.status = 200
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self.url = ""

    @asynccontextmanager
    async def serving(self, port: int = 0):
        app = web.Application()
        app.add_routes(
            [
                web.get("/schemas/ids/{id}", self._by_id),
                web.get("/subjects/{subject}/versions/{version}", self._by_subject),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _answer(self, request: web.Request, found: dict | None) -> web.Response:
        self.asked.append(request.path)
        self.authorization.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.json_response({"error_code": self.status}, status=self.status)
        if found is None:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        assert "PROTOBUF" not in str(found) or request.query["format"] == "serialized"
        return web.json_response(found)

    async def _by_id(self, request: web.Request) -> web.Response:
        return self._answer(request, self.ids.get(int(request.match_info["id"])))

    async def _by_subject(self, request: web.Request) -> web.Response:
        place = request.match_info["subject"], int(request.match_info["version"])
        return self._answer(request, self.subjects.get(place))
