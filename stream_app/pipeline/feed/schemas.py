"""Records that a schema describes become JSON: Avro, Protobuf, and JSON behind a frame.

The frame is Confluent's wire format: a zero byte, the schema's id in 4 bytes, and for Protobuf the path to the message
type in its file. https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
"""

from __future__ import annotations

import base64
import binascii
import importlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

Decoder = Callable[[bytes], bytes]

_WELL_KNOWN = frozenset(
    {"any", "api", "descriptor", "duration", "empty", "field_mask", "source_context", "struct", "timestamp", "type",
     "wrappers"}
)  # fmt: skip
_MAX_PATH = 32


class SchemaError(ValueError):
    """A record, or the schema that it names, cannot be read; the message says why."""


@dataclass(frozen=True)
class Schema:
    """What a registry has under an id: ``kind`` is AVRO, PROTOBUF or JSON; ``needs`` are what it refers to, by name.

    The text of Protobuf is a ``FileDescriptorProto`` in base 64, which registries give for ``format=serialized``.
    """

    kind: str
    text: str
    needs: tuple[tuple[str, Schema], ...] = ()


class Frame(NamedTuple):
    """A value taken apart."""

    schema: int
    payload: bytes


def framed(value: bytes | None) -> Frame | None:
    """The frame of a value; None where it has none."""
    return Frame(int.from_bytes(value[1:5]), value[5:]) if value and value[0] == 0 and len(value) > 5 else None


def decoder(schema: Schema) -> Decoder:
    """What turns the payload of a schema's records into JSON.

    Raises:
        SchemaError: the schema cannot be used.
    """
    make = _MAKERS.get(schema.kind)
    if make is None:
        raise SchemaError(f"it is of the kind {schema.kind:.40}; AVRO, PROTOBUF and JSON are read")
    try:
        return _guarded(make(schema))
    except SchemaError:
        raise
    except Exception as error:  # whatever a schema's author and two libraries make of it
        raise SchemaError(f"it cannot be used: {error!r:.300}") from error


def _guarded(decode: Decoder) -> Decoder:
    def read(payload: bytes) -> bytes:
        try:
            return decode(payload)
        except SchemaError:
            raise
        except Exception as error:
            raise SchemaError(f"the record is not what its schema says: {error!r:.300}") from error

    return read


def _avro(schema: Schema) -> Decoder:
    from fastavro import parse_schema, schemaless_reader

    named: dict[str, Any] = {}
    for needed in _in_order(schema):
        parse_schema(json.loads(needed.text), named_schemas=named)
    parsed = parse_schema(json.loads(schema.text), named_schemas=named)

    def decode(payload: bytes) -> bytes:
        stream = io.BytesIO(payload)
        value = schemaless_reader(stream, parsed, None)
        if left := len(payload) - stream.tell():
            raise SchemaError(f"the record has {left} bytes more than its schema says")
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)

    return decode


def _plain(value: Any) -> Any:
    """What JSON has no word for: bytes one character each, as in Avro's own JSON; decimals and the like as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _protobuf(schema: Schema) -> Decoder:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

    pool, added = descriptor_pool.DescriptorPool(), set[str]()

    def add(text: str, name: str | None) -> Any:
        file = descriptor_pb2.FileDescriptorProto()
        try:
            file.ParseFromString(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise SchemaError(
                "its registry gives Protobuf as text only; one that knows format=serialized is needed"
            ) from None
        file.name = name or file.name or "schema.proto"
        for dependency in file.dependency:
            if dependency not in added and (known := _well_known(dependency)) is not None:
                added.add(dependency)
                pool.AddSerializedFile(known)
        if file.name not in added:
            added.add(file.name)
            pool.Add(file)
        return file

    for name, needed in _named_in_order(schema):
        add(needed.text, name)
    file = pool.FindFileByName(add(schema.text, None).name)
    types: dict[tuple[int, ...], Any] = {}

    def decode(payload: bytes) -> bytes:
        path, start = _path(payload)
        if path not in types:
            types[path] = message_factory.GetMessageClass(_type_at(file, path))
        message = types[path]()
        message.ParseFromString(payload[start:])
        return orjson.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True))

    return decode


def _json(_: Schema) -> Decoder:
    return bytes


_MAKERS: dict[str, Callable[[Schema], Decoder]] = {"AVRO": _avro, "PROTOBUF": _protobuf, "JSON": _json}


def _in_order(schema: Schema) -> list[Schema]:
    return [needed for _, needed in _named_in_order(schema)]


def _named_in_order(schema: Schema) -> list[tuple[str, Schema]]:
    """What a schema needs, each once, what the needed need first."""
    found: dict[str, Schema] = {}

    def walk(each: Schema) -> None:
        for name, needed in each.needs:
            if name not in found:
                walk(needed)
                found.setdefault(name, needed)

    walk(schema)
    return list(found.items())


def _well_known(name: str) -> bytes | None:
    """The serialized file of a type that comes with Protobuf, such as ``google/protobuf/timestamp.proto``."""
    stem = name.removeprefix("google/protobuf/").removesuffix(".proto")
    if name != f"google/protobuf/{stem}.proto" or stem not in _WELL_KNOWN:
        return None
    module = importlib.import_module(f"google.protobuf.{stem}_pb2")
    serialized: bytes = module.DESCRIPTOR.serialized_pb
    return serialized


def _path(payload: bytes) -> tuple[tuple[int, ...], int]:
    """The indexes that lead to the message type, and where the message begins; a lone zero stands for the first."""
    count, at = _varint(payload, 0)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MAX_PATH:
        raise SchemaError(f"the frame has a path of {count} message indexes")
    path = []
    for _ in range(count):
        index, at = _varint(payload, at)
        path.append(index)
    return tuple(path), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag number of up to 32 bits, and where the next begins."""
    number = 0
    for place in range(5):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
    raise SchemaError("the frame is cut short in its message indexes")


def _type_at(file: Any, path: Sequence[int]) -> Any:
    types: Mapping[str, Any] = file.message_types_by_name
    found = None
    for index in path:
        here = list(types.values()) if found is None else list(found.nested_types)
        if not 0 <= index < len(here):
            raise SchemaError(f"its file has no message type at {'.'.join(map(str, path))}")
        found = here[index]
    return found
