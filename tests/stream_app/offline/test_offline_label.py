"""Files are labelled without Kafka: every line is answered once, in order, and a bad one costs only itself."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from model.serving.fixed import FixedScorer
from stream_app.cli import cli
from stream_app.offline.files import Tally
from stream_app.offline.images import LocalImages, file_name, skip_images
from stream_app.offline.label import Line, OfflineLabeller
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.post import MediaLink
from stream_app.settings import MediaSettings

SAMPLES = Path(__file__).parents[1] / "pipeline" / "posts" / "samples"


def post(number, text="Bridge collapsed", **more):
    return {"network": "other", "id": f"p{number}", "text": text, "created_at": "2026-03-01T05:30:00Z", **more}


def lines(*values):
    return [
        Line(number, value if isinstance(value, bytes) else json.dumps(value).encode())
        for number, value in enumerate(values, 1)
    ]


async def answers(values, scorer=None, **options):
    labeller = OfflineLabeller(scorer or FixedScorer(), skip_images, **options)
    return [answer async for answer in labeller.answers(lines(*values))]


class Counting(FixedScorer):
    """Counts the posts it is asked about; raises on those that say POISON."""

    def __init__(self):
        self.asked = []

    def score(self, posts):
        if any("POISON" in each.text for each in posts):
            raise ValueError("indigestible")
        self.asked += [each.text for each in posts]
        return super().score(posts)


async def test_lines_are_answered_in_order_whatever_they_are():
    found = await answers([post(1), b"broken", b"", post(2, "People injured"), {"limit": {"track": 1}}], batch_size=2)
    assert [answer.line.number for answer in found] == [1, 2, 3, 4, 5]
    assert [(answer.event is not None, answer.error is not None) for answer in found] == [
        (True, False),
        (False, True),
        (False, False),
        (True, False),
        (False, False),
    ]
    assert found[0].event.labels.humanitarian.label == "infrastructure_and_utility_damage"
    assert found[3].event.labels.humanitarian.label == "affected_individuals"


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("remembered", [0, 1000])
async def test_reposts_and_copies_are_scored_once(batch_size, remembered):
    scorer = Counting()
    values = [post(1), post(2, kind="repost", root_id="p1"), post(3, "BRIDGE  collapsed"), post(4, "Other"), post(1)]
    events = [a.event for a in await answers(values, scorer, batch_size=batch_size, remembered=remembered)]
    if batch_size == 64 or remembered:
        assert scorer.asked == ["Bridge collapsed", "Other"]
    assert [event.duplicate_of for event in events[:4]] == [None, "p1", "p1", None]
    assert [event.duplicates_seen for event in events[:4]] == [0, 1, 2, 0]
    assert len({event.id for event in events}) == 4, "the same post twice is the same event"


async def test_an_empty_repost_that_comes_first_does_not_answer_for_its_root():
    values = [post(2, "", kind="repost", root_id="p1"), post(3, "", kind="repost", root_id="p1"), post(1)]
    events = [answer.event for answer in await answers(values)]
    assert [event.labels.informativeness.label for event in events] == [None, None, "informative"]
    for event in events[:2]:
        assert "the root was not seen" in event.labels.humanitarian.reason
        assert not event.review
    assert [event.duplicate_of for event in events] == [None, None, None]


async def test_a_post_the_model_cannot_take_costs_itself_and_its_copies_alone():
    values = [post(number, f"Fine {number}") for number in range(5)] + [
        post(7, "POISON"),
        post(8, "poison"),
        post(9, "POISON"),
    ]
    found = await answers(values, Counting())
    assert [answer.event is not None for answer in found] == [True] * 5 + [False] * 3
    assert found[5].stage == "model"
    assert "ValueError: indigestible" in found[5].error
    assert "repeats a post that the model could not label" in found[6].error


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/x/photo.jpg?name=large", "photo.jpg"),
        ("https://a.example/a%20b.jpg#c", "a b.jpg"),
        ("https://a.example/..%2f..%2fetc%2fpasswd", "passwd"),
        ("https://a.example/..", ""),
        ("https://a.example/", ""),
        ("https://a.example/%00", ""),
        ("https://[broken/x.jpg", ""),
        ("https://a.example/..%5c..%5cx.jpg", "x.jpg"),
    ],
)
def test_file_names_never_leave_the_folder(url, name):
    assert file_name(url) == name


async def test_local_images_keep_the_fetchers_limits(tmp_path):
    Image.new("RGB", (64, 48), "brown").save(tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no image at all")
    (tmp_path / "huge.jpg").write_bytes(b"\xff\xd8\xff" + bytes(2000))
    settings = MediaSettings(max_images=4, max_bytes=1500)
    names = ["good.jpg", "bad.jpg", "huge.jpg", "absent.jpg", "fifth.jpg"]
    with LocalImages(tmp_path, settings, FixedScorer().prepare) as images:
        found = await images.fetch([MediaLink(url=f"https://a.example/{name}") for name in names])
    assert [outcome.status for outcome in found] == ["used", "unsupported", "too_large", "failed", "skipped"]
    assert (found[0].width, found[0].height, found[0].content_type) == (64, 48, "image/jpeg")
    assert found[0].image.shape == (224, 224, 3)
    assert "no file 'absent.jpg'" in found[3].reason


def run(*arguments, stdin=b""):
    return CliRunner().invoke(cli, ["label", "--model", "fixed", *map(str, arguments)], input=stdin)


def test_the_command_labels_every_format(tmp_path):
    values = [json.dumps(json.loads(path.read_text())) for path in sorted(SAMPLES.glob("*.json"))]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes("\n".join(values).encode() + b"\nbroken\n\xff\xfe\n")
    result = run("--no-images", source, target)
    assert result.exit_code == 0, result.output
    events = [Event.model_validate_json(line) for line in target.read_text().splitlines()]
    assert len(events) == len(values)
    assert {event.post.network for event in events} == {"x", "bluesky", "mastodon", "other"}
    failed = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()]
    assert [each["line"] for each in failed] == [len(values) + 1, len(values) + 2]
    assert failed[0]["original"] == "broken"
    assert base64.b64decode(failed[1]["original_base64"]) == b"\xff\xfe"
    assert "9 lines" in result.stderr
    assert "2 errors" in result.stderr


def test_the_command_takes_photos_from_a_folder(tmp_path):
    Image.new("RGB", (64, 48), "brown").save(tmp_path / "wall.jpg")
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(json.loads((SAMPLES / "own.json").read_text())))
    assert run("--images", tmp_path, source, target).exit_code == 0
    event = Event.model_validate_json(target.read_text())
    assert (event.media[0].status, event.degraded, event.labels.damage.label) == ("used", False, "severe_damage")


def test_the_command_fetches_within_the_streams_limits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(post(1, media=[{"url": "http://127.0.0.1/x.jpg"}])))
    assert run(source, target).exit_code == 0
    event = Event.model_validate_json(target.read_text())
    assert (event.media[0].status, event.degraded) == ("refused", True)


def test_pipes_and_gzip(tmp_path):
    piped = run("--no-images", "-", "-", stdin=json.dumps(post(1)).encode() + b"\nbroken\n")
    assert piped.exit_code == 0
    assert Event.model_validate_json(piped.stdout).post.id == "p1"
    assert '"line": 2' in piped.stderr
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(post(1)).encode()))
    assert run("--no-images", packed, tmp_path / "out.jsonl").exit_code == 0
    packed.write_bytes(packed.read_bytes()[:-12])
    broken = run("--no-images", packed, tmp_path / "out.jsonl")
    assert broken.exit_code == 1
    assert "is damaged" in broken.stderr


def test_what_cannot_be_done_is_said(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("broken\n")
    assert run("--no-images", source, tmp_path / "out.jsonl").exit_code == 1, "nothing could be labelled"
    assert run(source, source).exit_code == 2
    assert run("--no-images", "--images", tmp_path, source, tmp_path / "o").exit_code == 2
    missing = run("--no-images", tmp_path / "absent.jsonl", tmp_path / "o")
    assert missing.exit_code == 1
    assert "absent.jsonl" in missing.stderr
    assert source.read_text() == "broken\n", "the input is never written"


def test_an_old_errors_file_does_not_stay(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(post(1)) + "\nbroken\n")
    run("--no-images", source, target)
    source.write_text(json.dumps(post(1)))
    run("--no-images", source, target)
    assert not (tmp_path / "out.jsonl.errors.jsonl").exists()


async def test_the_summary_counts_withdrawals_apart_from_notices():
    gone = {"delete": {"status": {"id_str": "7", "id": 7, "user_id_str": "9", "user_id": 9}}}
    tally = Tally()
    for answer in await answers([post(1), gone, {"limit": {"track": 1}}, b"broken"]):
        tally.add(answer)
    assert (tally.labelled, tally.withdrawn, tally.skipped, tally.errors, tally.lines) == (1, 1, 1, 1, 4)


async def test_a_text_is_searched_for_its_place_where_a_label_says_something():
    told = ("The bridge in Colombo has collapsed, stay away", "Nice weather in Paris and nothing to do all day")
    found = [each.event for each in await answers([post(n, told[n % 2]) for n in range(4)])]
    assert [each.post.place.name if each.post.place else None for each in found] == ["Colombo", None] * 2
    assert [each.post.language for each in found] == ["en"] * 4
