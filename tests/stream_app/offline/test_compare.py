"""Two models see the same posts and photos, and what they say differently is counted post by post."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.scorer import LABELS, ConceptScore, ModelInfo
from model.serving.fixed import FixedScorer
from stream_app.cli import cli
from stream_app.kafka.clients import client_options
from stream_app.offline.compare import NO_ANSWER, compare, distance, report
from stream_app.offline.images import skip_images
from stream_app.offline.label import Line
from stream_app.pipeline.events.event import Label
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.proving.demo.history import CONTROL, POISON, history
from stream_app.proving.demo.pictures import SCENES, VARIANTS, picture


def post(number, text="Bridge collapsed", **more):
    return {"network": "other", "id": f"p{number}", "text": text, "created_at": "2026-03-01T05:30:00Z", **more}


def lines(*values):
    written = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    return [Line(number, value) for number, value in enumerate(written, 1)]


async def turn_by_turn(values):
    for value in values:
        yield value


class Other(FixedScorer):
    """Calls posts that say ODD informative, 0.7 to 0.3; fails on those that say POISON."""

    info = ModelInfo(name="other", version="2", hash="a" * 64)

    def __init__(self, poison="POISON"):
        self.poison = poison
        self.images = []

    def score(self, posts):
        if any(self.poison in each.text for each in posts):
            raise ValueError("indigestible")
        self.images += [image for each in posts for image in each.images]
        odd = {"informativeness": ConceptScore("informative", 0.7, {"not_informative": 0.3, "informative": 0.7})}
        return [
            replace(scored, labels={**scored.labels, **odd}) if "ODD" in post.text else scored
            for post, scored in zip(posts, super().score(posts), strict=True)
        ]


async def found(*values, fetch=skip_images, first=None, second=None, **options):
    return await compare(turn_by_turn(lines(*values)), first or FixedScorer(), second or Other(), fetch, **options)


async def test_a_model_agrees_with_itself():
    diff = await found(post(1), post(2, "Nice cake"), second=FixedScorer())
    assert (diff.posts, diff.failed, diff.copies) == (2, 0, 0)
    told = diff.concepts["informativeness"]
    assert (told.agreement, told.posts, told.distances, told.changes) == (1.0, 2, 0.0, [])
    assert math.isnan(diff.concepts["damage"].agreement), "nobody judged damage: no photos"


async def test_what_changed_is_counted_and_the_largest_changes_listed_first():
    values = [post(number, f"Cake ODD {number}") for number in range(3)] + [post(8, "Bridge collapsed, ODD"), post(9)]
    diff = await found(*values, listed=2)
    told = diff.concepts["informativeness"]
    assert told.confusion == {("not_informative", "informative"): 3, ("informative", "informative"): 2}
    assert told.agreement == 0.4
    assert [change.post_id for change in told.changes] == ["p0", "p1"], "0.2 of p8 is less than 0.6; two were asked for"
    assert [change.distance for change in told.changes] == [pytest.approx(0.6)] * 2
    assert told.distances == pytest.approx(3 * 0.6 + 0.2)
    assert diff.concepts["humanitarian"].agreement == 1.0


async def test_copies_reposts_notices_and_failures_are_kept_apart():
    values = [post(1), post(2, "BRIDGE  collapsed"), post(3, kind="repost", root_id="p1")]
    diff = await found(*values, b"broken", {"limit": {"track": 1}}, post(4, "POISON"), post(5, "Nice cake"))
    assert (diff.posts, diff.copies, diff.failed) == (2, 2, 2)


@pytest.mark.parametrize("failing", ["first", "second"])
async def test_a_copy_of_what_one_model_once_failed_on_still_gives_a_pair(failing):
    """The original fails in the first batch of 64; its copy in the second batch is a copy to one model only."""

    class Once(Other):
        def __init__(self):
            super().__init__("Bridge")

        def score(self, posts):
            if any("Nice cake 64" in each.text for each in posts):
                self.poison = "POISON"
            return super().score(posts)

    values = [post(0), *(post(number, f"Nice cake {number}") for number in range(1, 65)), post(99)]
    diff = await found(*values, **{failing: Once()})
    assert (diff.posts, diff.copies, diff.failed) == (65, 0, 1)


async def test_a_photo_is_fetched_once_and_both_models_see_it():
    asked, first, second = [], Other(), Other()

    async def fetch(links):
        asked.append([link.url for link in links])
        await asyncio.sleep(0.01)
        image = FixedScorer().prepare(Image.new("RGB", (32, 32), "brown"))
        return tuple(MediaOutcome(link.url, "used", image=image) for link in links)

    photo = [{"url": "https://a.example/x.jpg"}]
    values = [post(1, media=photo), post(2, "Another text", media=photo)]
    diff = await found(*values, fetch=fetch, first=first, second=second)
    assert asked == [["https://a.example/x.jpg"]], "posts that wait together for one photo share it as well"
    assert [id(image) for image in first.images] == [id(image) for image in second.images]
    assert (diff.with_photo, diff.degraded) == (2, 0)
    assert diff.concepts["damage"].confusion == {
        ("severe_damage", "severe_damage"): 1,
        ("little_or_no_damage", "little_or_no_damage"): 1,
    }


async def test_models_that_want_other_images_are_refused():
    small = FixedScorer()
    small.image_size = 64
    with pytest.raises(ValueError, match=r"224 pixels, the other of 64: label the file with each"):
        await found(post(1), second=small)


def label(name, **probabilities):
    return Label(label=name, probability=probabilities.get(name), probabilities=probabilities)


P = st.floats(0, 1)


@given(P, P, P)
def test_the_distance_is_a_metric_between_0_and_1(p, q, r):
    a, b, c = (label("yes", yes=x, no=1 - x) for x in (p, q, r))
    assert distance(a, b) == distance(b, a)
    assert 0 <= distance(a, b) <= 1 + 1e-12
    assert distance(a, a) == 0
    assert distance(a, b) == pytest.approx(abs(p - q))
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


def test_an_answer_and_none_are_as_far_apart_as_can_be():
    none = Label(label=None, reason="no photo")
    assert distance(none, label("yes", yes=0.6, no=0.4)) == distance(label("yes", yes=0.6, no=0.4), none) == 1
    assert distance(none, none) == 0


async def test_the_report_reads_row_by_row():
    class Blind(Other):
        def score(self, posts):
            blind = {"humanitarian": ConceptScore(None, None, {}, "unsure")}
            return [replace(scored, labels={**scored.labels, **blind}) for scored in super().score(posts)]

    diff = await found(post(1), post(2, "Cake\n\x1b[31mODD " + "x" * 100), second=Blind())
    text = "\n".join(report(diff))
    assert text.startswith(
        "fixed 1 (000000000000) -> other 2 (aaaaaaaaaaaa)\n2 posts (0 with a photo used, 0 degraded)"
    )
    assert "informativeness: agreement 0.500 of 2, mean change 0.300" in text
    assert "  a not_informative      0      1\n  b informative          0      1" in text
    assert "0.60  not_informative 0.90 -> informative 0.70  'p2'" in text
    assert f"not_humanitarian 0.90 -> {NO_ANSWER}" in text
    assert "humanitarian: agreement 0.000 of 2" in text
    assert "damage: no answers" in text
    assert "\x1b" not in text, "a stranger's text cannot command the terminal"
    assert not any(name in text for name in LABELS["damage"])


def run(*arguments, stdin=b""):
    return CliRunner().invoke(cli, ["model", "diff", *map(str, arguments)], input=stdin)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's history and its pictures in one folder."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "posts.jsonl").write_bytes(b"\n".join(history("http://pictures.example", posts=60)))
    for scene in SCENES:
        for number in range(VARIANTS):
            (folder / f"{scene}-{number}.jpg").write_bytes(picture(scene, number))
    return folder


@pytest.mark.parametrize("order", [("fixed", "default"), ("default", "fixed")])
def test_the_command_compares_models_on_the_demos_history(demo, order, monkeypatch):
    from model.serving.fused import FusedScorer

    prepared = []
    monkeypatch.setattr(FusedScorer, "prepare", lambda _, image: prepared.append(1) or FixedScorer().prepare(image))
    result = run(*order, demo / "posts.jsonl", "--images", demo, "--changed", 2)
    assert result.exit_code == 0, result.output
    assert prepared, "photos are cut as the trained model wants them, whichever of the two it is"
    models, counts, *rest = result.stdout.splitlines()
    assert [part.split()[0] for part in models.split(" -> ")] == [
        {"fixed": "fixed", "default": "crisis-fusion"}[name] for name in order
    ]
    posts, photos, *_ = [int(word) for word in counts.replace("(", "").split() if word.isdigit()]
    copies = int(counts.split(" copies")[0].split()[-1])
    assert posts + copies == 60 - len(POISON) - len(CONTROL)
    assert photos > 0
    assert f"{len(POISON)} lines failed" in counts
    assert sum(" -> " in line for line in rest) == 2 * 4  # the most changed, of four concepts
    assert any(line.startswith("damage: agreement") and f"of {photos}" in line for line in rest)


def test_the_command_reads_a_pipe_and_can_leave_photos_alone():
    result = run("fixed", "fixed", "-", "--no-images", stdin=json.dumps(post(1, media=[{"url": "http://a/x.jpg"}])))
    assert result.exit_code == 0, result.output
    assert "1 posts (0 with a photo used, 1 degraded)" in result.stdout
    assert "informativeness: agreement 1.000 of 1" in result.stdout


def test_the_command_says_what_is_wrong(tmp_path):
    broken = tmp_path / "posts.jsonl"
    broken.write_text("broken\n")
    nothing = run("fixed", "fixed", broken)
    assert nothing.exit_code == 1
    assert "nothing in it is a post (1 line)" in nothing.output
    assert run("fixed", "fixed", broken, "--images", tmp_path, "--no-images").exit_code == 2
    assert run("fixed", "fixed").exit_code == 2
    assert run("fixed", "fixed", broken, "--from-topic", "crisis.posts").exit_code == 2
    assert run("fixed", "fixed", broken, "--since", "2026-03-01").exit_code == 2
    absent = run("fixed", "fixed", tmp_path / "absent.jsonl")
    assert (absent.exit_code, "absent.jsonl" in absent.output) == (1, True)
    unknown = run("fixed", tmp_path, broken)
    assert (unknown.exit_code, "no model at" in unknown.output) == (1, True)


@pytest.mark.kafka
async def test_the_command_compares_models_on_a_topic_between_two_times(settings):
    values = [post(number, f"Bridge {number} collapsed") for number in range(6)]
    start = 1_772_344_800_000  # 2026-03-01T06:00:00Z
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        for minute, line in enumerate(lines(*values, b"broken")):
            await producer.send_and_wait(settings.topics.posts, line.value, timestamp_ms=start + 60_000 * minute)
    kafka = ("--bootstrap", settings.kafka.bootstrap_servers, "--no-images", "--from-topic", settings.topics.posts)
    whole = await asyncio.to_thread(run, "fixed", "fixed", *kafka)
    assert whole.exit_code == 0, whole.output
    assert "6 posts (0 with a photo used, 0 degraded), 0 copies counted once, 1 lines failed" in whole.stdout
    span = ("--since", "2026-03-01T06:01:00Z", "--until", "2026-03-01T06:04:00Z")
    part = await asyncio.to_thread(run, "fixed", "fixed", *kafka, *span)
    assert "3 posts (0 with" in part.stdout
    nowhere = await asyncio.to_thread(run, "fixed", "fixed", *kafka[:3], "--from-topic", "no.such")
    assert (nowhere.exit_code, "there is no topic no.such" in nowhere.output) == (1, True)
