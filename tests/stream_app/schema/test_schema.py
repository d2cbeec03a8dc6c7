"""The printed descriptions are those of the models, and the standards' own schemas accept them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from factories import headers_of
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from model.scorer import CONCEPTS
from stream_app.cli import cli
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.parse import parse_post
from stream_app.schema.asyncapi import asyncapi
from stream_app.schema.examples import examples
from stream_app.schema.json_schema import MODELS, SCHEMAS, json_schema
from stream_app.settings import TopicSettings

ROOT = Path(__file__).resolve().parents[3]
FORMATS = FormatChecker()


def printed(what: str) -> str:
    result = CliRunner().invoke(cli, ["schema", what], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def resolved(document: dict, node: dict) -> dict:
    """A schema of the document that carries the components its references point to."""
    return {**node, "components": document["components"]}


@pytest.mark.parametrize("what", SCHEMAS)
def test_each_schema_is_valid_and_accepts_its_example(what):
    schema = json.loads(printed(what))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=FORMATS).validate(examples()[what])


@pytest.mark.parametrize("what", SCHEMAS)
def test_each_schema_refuses_an_empty_object(what):
    assert list(Draft202012Validator(json_schema(what)).iter_errors({}))


@pytest.mark.parametrize("what", MODELS)
def test_examples_are_what_the_models_read(what):
    value = examples()[what]
    if what == "posts":
        assert parse_post(json.dumps(value).encode()).root_id == value["id"]
    else:
        MODELS[what].model_validate_json(json.dumps(value), strict=True)


@pytest.mark.parametrize("name", ["x_v2", "x_v1", "bluesky_repost", "mastodon", "own"])
def test_the_posts_schema_accepts_every_network_once_normalised(name):
    sample = (ROOT / "tests" / "stream_app" / "pipeline" / "posts" / "samples" / f"{name}.json").read_bytes()
    Draft202012Validator(json_schema("posts"), format_checker=FORMATS).validate(
        json.loads(parse_post(sample).model_dump_json())
    )


def test_the_file_in_deploy_is_what_the_models_give():
    expected = printed("asyncapi")
    actual = (ROOT / "deploy" / "asyncapi.yaml").read_text(encoding="utf-8")
    assert actual == expected, "run `crisis-stream schema asyncapi > deploy/asyncapi.yaml`"


def test_the_document_is_valid_asyncapi_3():
    with gzip.open(Path(__file__).parent / "asyncapi-3.0.0.json.gz") as file:
        official = json.load(file)
    validator = Draft7Validator(official)
    assert not [error.message for error in validator.iter_errors(yaml.safe_load(printed("asyncapi")))]
    assert list(validator.iter_errors({**asyncapi(), "channels": []})), "the official schema does refuse"


def test_every_reference_leads_somewhere():
    document = asyncapi()

    def references(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "$ref":
                yield value
            elif isinstance(value, dict | list):
                yield from references(value)

    found = set(references(document))
    assert len(found) > 20
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_topic_is_described_under_its_name():
    topics = TopicSettings(prefix="drill.")
    addresses = {channel["address"] for channel in asyncapi(topics)["channels"].values()}
    assert addresses == {
        topics.posts,
        topics.events,
        "drill.alerts.{task}",
        topics.incidents,
        topics.emerging,
        topics.dead_letters,
        topics.feedback,
        topics.decisions,
    }
    assert asyncapi()["channels"]["alerts"]["parameters"]["task"]["enum"] == list(CONCEPTS)


def test_message_examples_fit_their_message():
    document = asyncapi()
    for message in document["components"]["messages"].values():
        for example in message["examples"]:
            for part in ("payload", "headers"):
                if part in example:
                    schema = resolved(document, message[part])
                    Draft7Validator(schema, format_checker=FORMATS).validate(example[part])


def test_the_headers_we_send_are_the_headers_described():
    event = Event.model_validate(examples()["events"])
    sent = {name: value.decode() for name, value in headers_of(event)}
    described = asyncapi()["components"]["messages"]["events"]["headers"]
    Draft7Validator(described, format_checker=FORMATS).validate(sent)
    assert sent.keys() <= described["properties"].keys()
    with pytest.raises(Exception, match="required"):
        Draft7Validator(described).validate({})
