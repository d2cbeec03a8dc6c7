"""Files of records behind a Schema Registry's frame are read by the registry, whichever command reads them."""

import asyncio
import json

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner
from schema_registry import RegistryServer, avro, frame, serialized, text_file, text_type

from stream_app.cli import cli
from stream_app.pipeline.posts.reader import Reader
from stream_app.replay.files import FileHistory
from stream_app.settings import FeedSettings, RegistrySettings

NAMES = ("nr", "said", "when")
TOOT = {"type": "record", "name": "Toot", "fields": [{"name": each, "type": "string"} for each in NAMES]}
MAPPING = {"id": "nr", "text": "said", "created_at": "when"}
WHEN = "2026-03-01T00:00:00Z"


def toot(number):
    return {
        "nr": f"no. {number}",
        "said": f"the bridge\ncollapsed {number}",
        "when": WHEN,
    }  # of 5 letters: 10, a line end


RECORDS = [
    frame(7, avro(TOOT, toot(1))),
    frame(8, b"\0" + text_type(*NAMES)(**toot(2)).SerializeToString()),
    frame(1, json.dumps(toot(3)).encode()),
    json.dumps(toot(4)).encode(),
    frame(99, b"x"),
    frame(7, avro(TOOT, toot(5))),
]


@pytest.fixture
async def server():
    running = RegistryServer()
    running.ids[1] = {"schema": "{}", "schemaType": "JSON"}
    running.ids[7] = {"schema": json.dumps(TOOT)}
    running.ids[8] = {"schema": serialized(text_file(*NAMES)), "schemaType": "PROTOBUF"}
    async with running.serving():
        yield running


@pytest.fixture
def command(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = "".join(f'{fact} = "{path}"\n' for fact, path in MAPPING.items())
    (tmp_path / "crisis-stream.toml").write_text(
        f'[feed.registry]\nurl = "{server.url}"\n[feed.mapping]\n{paths}[posts]\nauthor_salt = "pepper"\n'
    )
    (tmp_path / "a.bin").write_bytes(b"".join(record + b"\n" for record in RECORDS))

    async def run(*words):
        return await asyncio.to_thread(CliRunner().invoke, cli, list(words))

    return run


async def test_label_feed_check_and_model_diff_read_by_the_registry(command, server, tmp_path):
    checked = await command("feed", "check", "a.bin", "--json")
    *rows, _ = map(json.loads, checked.stdout.splitlines())
    assert [(row["becomes"], row.get("id")) for row in rows] == [
        ("post", "no. 1"), ("post", "no. 2"), ("post", "no. 3"), ("post", "no. 4"), ("problem", None), ("post", "no. 5")
    ]  # fmt: skip
    assert f"Schema 99 of the registry at {server.url}" in rows[4]["say"]
    assert sorted(server.asked) == ["/schemas/ids/1", "/schemas/ids/7", "/schemas/ids/8", "/schemas/ids/99"]
    labelled = await command("label", "a.bin", "out.jsonl", "--no-images", "--model", "fixed")
    assert labelled.exit_code == 0, labelled.output
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [event["post"]["text"][-1] for event in events] == ["1", "2", "3", "4", "5"]
    [error] = (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()
    assert json.loads(error)["line"] == 5
    different = await command("model", "diff", "fixed", "fixed", "a.bin", "--no-images")
    assert "5 posts (0 with a photo used, 0 degraded), 0 copies counted once, 1 lines failed" in different.stdout


async def test_replay_passes_them_on_as_they_are_at_their_own_pace(server, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"\n".join(RECORDS))
    reader = Reader(FeedSettings(mapping=MAPPING, registry=RegistrySettings(url=server.url)))

    async def items():
        history = FileHistory([path], "t", timed=True, reader=reader)
        return [(item.value, item.when) async for item in history.items({TopicPartition("t", 0): 0})]

    sent = await asyncio.to_thread(asyncio.run, items())
    assert [value for value, _ in sent] == RECORDS
    assert [when for _, when in sent] == [1772323200.0] * 4 + [None, 1772323200.0]


async def test_a_registry_that_is_away_ends_them_with_its_name(command, server):
    server.status = 503
    for words in ("feed check a.bin", "label a.bin o.jsonl --model fixed", "model diff fixed fixed a.bin"):
        result = await command(*words.split())
        assert result.exit_code == 1
        assert f"the schema registry at {server.url} answers with status 503" in " ".join(result.output.split())
