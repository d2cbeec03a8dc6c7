"""What its author or network marks as sensitive is marked in the post and its event, whatever the network calls it."""

from __future__ import annotations

import json

import pytest

from model.serving.fixed import FixedScorer
from stream_app.pipeline.events.build import build_event
from stream_app.pipeline.labelling.describe import describe
from stream_app.pipeline.labelling.inputs import model_input
from stream_app.pipeline.posts.parse import parse_post


def marked(name, value):
    """The sample with its network's mark."""
    if name == "x_v2":
        value["data"]["possibly_sensitive"] = True
    elif name == "x_v1":
        value["possibly_sensitive"] = True
    elif name == "bluesky":
        value["commit"]["record"]["labels"] = {
            "$type": "com.atproto.label.defs#selfLabels",
            "values": [{"val": "nice"}, {"val": "graphic-media"}],
        }
    else:
        value["sensitive"] = True
    return value


@pytest.mark.parametrize("name", ["x_v2", "x_v1", "bluesky", "mastodon", "own"])
def test_the_networks_own_mark_reaches_the_event(samples, name):
    plain = json.loads(samples[name])
    assert not parse_post(json.dumps(plain).encode()).sensitive
    post = parse_post(json.dumps(marked(name, plain)).encode())
    assert post.sensitive
    scorer = FixedScorer()
    labelling = describe(post, [], scorer.score([model_input(post, [])])[0], scorer.info)
    assert build_event(post, labelling).post.sensitive


@pytest.mark.parametrize("mark", ["yes", 1, None, {}, []])
def test_what_is_no_mark_is_none(samples, mark):
    assert not parse_post(json.dumps({**json.loads(samples["mastodon"]), "sensitive": mark}).encode()).sensitive
    bluesky = json.loads(samples["bluesky"])
    bluesky["commit"]["record"]["labels"] = {"values": mark}
    assert not parse_post(json.dumps(bluesky).encode()).sensitive
