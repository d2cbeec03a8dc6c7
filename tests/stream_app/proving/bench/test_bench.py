"""The harness measures what it says it measures; what the figures are is for people to judge."""

from __future__ import annotations

import io
import json
import time

import aiohttp
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from model.encoders.image import WIDTH, ImageEncoder
from model.kernels import int8, packed
from model.load import load_scorer
from model.scorer import PostInput
from model.serving import fused
from model.serving.fixed import FixedScorer
from stream_app.cli.bench import command
from stream_app.pipeline.labelling.describe import is_quiet
from stream_app.pipeline.posts.identity import duplicate_key
from stream_app.pipeline.posts.parse import parse_post
from stream_app.pipeline.posts.reported import facts_in
from stream_app.proving.bench.bare import inputs, operations, pass_s
from stream_app.proving.bench.contender import contender, environment, speed
from stream_app.proving.bench.measures import MEASURES, SHORT, at_least, at_most
from stream_app.proving.bench.pace import ContenderError, Pace, pace
from stream_app.proving.bench.page import is_ours, put, table
from stream_app.proving.bench.processor import in_words, machine
from stream_app.proving.bench.rivals.parts import efficientnet
from stream_app.proving.bench.stream import photo_host, posts, text
from stream_app.settings import KafkaSettings


def test_every_text_is_its_own_and_of_a_tweets_length():
    texts = [text(number) for number in range(5000)]
    assert len(set(texts)) == 5000
    assert all(12 <= len(each.split()) <= 40 for each in texts)


@pytest.mark.parametrize("number", [0, 999_999, 1_000_000, 2_500_007, 10_000_000])
def test_no_round_has_telephone_numbers(number):
    """Seven digits are one in Panama."""
    assert facts_in("Call 265 1234", country="PA").phones
    assert facts_in(text(number), country="PA").phones == ()


def test_the_shell_has_nothing_to_say_of_as_many_posts_as_the_model_has_of_real_ones():
    """The share is measured: see the words in ``stream.py``."""
    scored = FixedScorer().score([PostInput(text(number)) for number in range(2000)])
    assert sum(is_quiet(each.labels, ()) for each in scored) / 2000 == pytest.approx(0.26, abs=0.03)


@pytest.mark.parametrize(("repeated", "photos"), [(0.0, 0.0), (0.45, 1 / 3), (0.9, 0.0)])
def test_the_stream_has_the_shares_it_promises(repeated, photos):
    parsed = [parse_post(value) for value in posts(4000, repeated=repeated, photos=photos, host="http://127.0.0.1:1")]
    originals = [post for post in parsed if post.kind == "original"]
    assert 1 - len(originals) / 4000 == pytest.approx(repeated, abs=0.03)
    assert sum(bool(post.media) for post in originals) / len(originals) == pytest.approx(photos, abs=0.04)
    assert len({duplicate_key(post) for post in parsed}) == len(originals)
    assert len({post.id for post in parsed}) == 4000


def test_a_stream_is_the_same_each_time_and_another_has_nothing_in_common():
    assert posts(100, repeated=0.5) == posts(100, repeated=0.5)
    ids = [{json.loads(value)["text"] for value in posts(100, first=first)} for first in (0, 1_000_000)]
    assert not ids[0] & ids[1]


async def test_the_photo_host_serves_photos():
    async with photo_host() as host, aiohttp.ClientSession() as session, session.get(f"{host}/7.jpg?post=1") as answer:
        assert Image.open(io.BytesIO(await answer.read())).size == (680, 450)


def test_the_bare_pass_is_timed_and_its_photo_share_kept():
    batch = inputs(FixedScorer(), 64, 1 / 3)
    assert sum(bool(each.images) for each in batch) == 22

    class Slow(FixedScorer):
        def score(self, batch):
            time.sleep(0.01)
            return super().score(batch)

    clock, cpu = pass_s(Slow(), batch, 3)
    assert 0.01 <= clock < 1
    assert cpu < clock  # asleep, it costs nothing


def test_a_rate_counts_what_was_written_since_the_posts_were_there():
    warm_up = [0.0] * 10
    spent = [(0.0, 0.0), (10.0, 4.0), (20.0, 9.0)]
    assert pace(10.0, [*warm_up, *(10.1 + n * 0.1 for n in range(30))], spent) == Pace(
        pytest.approx(10), pytest.approx(20)
    )


def test_partitions_may_be_read_one_after_the_other():
    spent = [(1.0, 0.0), (5.0, 2.0)]
    assert pace(0.5, [3.0, 4.0, 1.0, 2.0], spent) == pace(0.5, [1.0, 2.0, 3.0, 4.0], spent)


def test_a_program_that_wrote_nothing_has_no_rate():
    with pytest.raises(ContenderError, match="none of its 100 results"):
        pace(2.0, [1.0] * 100, [(0.0, 0.0), (1.0, 1.0)])


def test_operations_are_counted_in_packed_layers_too(default_scorer, monkeypatch):
    batch = inputs(FixedScorer(), 8, 0)
    counted = operations(default_scorer("float32"), batch)
    monkeypatch.setattr(packed, "packs", lambda *_: False)
    assert counted == operations(load_scorer("default", threads=1, number_format="float32"), batch)
    assert counted.floats > 1e9


def test_a_rival_has_the_same_photo_network():
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), dtype=np.uint8))
    with torch.inference_mode():
        theirs = efficientnet()(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
        ours = ImageEncoder.load(dtype=torch.float32)(pixels)[:, :WIDTH]
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_goal_is_met_or_not_in_its_own_direction():
    assert at_least("a", 0.9, 0.9, "").met
    assert not at_least("a", 0.89, 0.9, "").met
    assert at_most("a", 0.15, 0.15, "").met
    assert not at_most("a", 0.16, 0.15, "").met
    assert json.loads(at_most("a", 0.16, 0.15, "x").as_json({"cores": 2})) == {
        "cores": 2,
        "name": "a",
        "value": 0.16,
        "cpu": None,
        "goal": "<= 0.15",
        "met": False,
        "parts": "x",
    }


def test_each_result_is_told_and_written_when_it_is_there_with_what_it_was_measured_on(tmp_path, monkeypatch):
    out = tmp_path / "bench.jsonl"
    seen = []

    async def slow(bench):
        seen.append(out.read_text())
        return at_least("a", 1.0, 0.5, "parts")

    monkeypatch.setitem(MEASURES, "encoder", slow)
    page = tmp_path / "page.md"
    page.write_text(
        "before <!-- crisis-stream bench --markdown: begin --> gone <!-- crisis-stream bench --markdown: end --> after"
    )
    options = ["--only", "incidents", "--only", "encoder", "--short", "--device", "cpu", "--json", str(out)]
    options += ["--markdown", str(page)]
    result = CliRunner().invoke(command, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "1 of 2: incidents begins" in result.output
    assert "encoder took" in result.output
    assert "cores of" in result.output
    first, second = map(json.loads, out.read_text().splitlines())
    early = json.loads(seen[0])
    assert early | {"varied": 1} == first | {"varied": 1}, "the first is written before the second begins"
    assert 1 <= early["varied"] <= first["varied"]
    assert "200 posts" in first["parts"]
    assert second["device"] == "cpu"
    assert second["cores"] >= 1
    assert second["features"]
    assert second["varied"] >= 1
    told = page.read_text()
    assert told.startswith("before <!--")
    assert told.endswith("--> after")
    assert "gone" not in told
    assert "| a | 1.00 |  | >= 0.5 | yes | parts |" in told
    assert "200 posts" in told


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("mine")
    result = CliRunner().invoke(command, ["--only", "incidents", "--short", "--markdown", str(page)])
    assert result.exit_code == 1
    assert "no place marked" in result.output
    assert page.read_text() == "mine"


def test_a_page_has_one_table_for_each_kind_of_machine(tmp_path):
    page = tmp_path / "page.md"
    one, other = ({"cores": 2, "processor": "X", "features": [f], "device": "cpu", "number_format": f} for f in "ab")
    for on, value in ((one, 1.0), (other, 2.0), (one, 3.0)):
        put(page, table([at_least("pace", value, 0.5, "parts")], on, "0.1", 1, 2.44))
    told = page.read_text()
    assert told.count("load average before the run 0.1; one round; the machine's own pace varied 2.4-fold") == 2
    assert [told.count(f"| pace | {value}") for value in ("1.00", "2.00", "3.00")] == [0, 1, 1]
    assert is_ours(page)


def test_a_processor_that_is_held_to_less_than_it_can_is_told(monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert "held" not in in_words(machine("cpu", "int8"))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert ", held to AVX2); the model on cpu in int8" in in_words(machine("cpu", "int8"))


def test_a_device_that_is_not_there_ends_the_bench_with_a_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = CliRunner().invoke(command, ["--device", "cuda"])
    assert result.exit_code == 1
    assert "torch sees no GPU here" in result.output


def test_8_bit_operations_are_told_apart(default_scorer, monkeypatch):
    if not int8.works():
        pytest.skip("no 8-bit products on this processor")
    monkeypatch.setitem(fused.CLOSE, "int8", {})
    batch = inputs(FixedScorer(), 8, 0)
    work, exact = (operations(default_scorer(each), batch) for each in ("int8", "float32"))
    assert exact.integers == 0
    assert 0.95 < (work.integers + work.floats) / exact.floats < 1.1
    assert work.integers > 2 * work.floats


def test_the_short_run_is_a_part_of_the_whole():
    assert set(SHORT) <= set(MEASURES)


@pytest.mark.kafka
async def test_a_program_that_fails_is_quoted(broker):
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    with pytest.raises(ContenderError, match="No module named"):
        await speed(kafka, "stream_app.proving.bench.rivals.no_such_rival", posts(10))


@pytest.mark.kafka
async def test_results_without_their_photos_are_no_measure_and_say_why(broker):
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    async with photo_host() as host:
        values = posts(60, photos=1 / 3, host=host)
        lacking = sum(b".jpg" in value for value in values)
        said = f"{lacking} of 60 results lack a photo.*{lacking} times: image refused"
        with pytest.raises(ContenderError, match=said):  # loopback is not allowed
            await speed(kafka, "stream_app worker", values, settings=environment("", "fixed", "cpu", "auto"))


@pytest.mark.long
@pytest.mark.kafka
@pytest.mark.parametrize("rival", ["naive_faust", "faststream_batch", "raw_loop"])
async def test_a_rival_publishes_every_post_with_its_labels(broker, rival):
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    async with photo_host() as host:
        values = posts(150, photos=1 / 3, host=host)
        async with contender(kafka, f"stream_app.proving.bench.rivals.{rival}", values) as running:
            await running.finish(len(values))  # it would fall silent at a photo that it could not read
            assert len(running.written) == len(values)


@pytest.mark.kafka
async def test_the_clock_runs_over_all_that_a_program_is_given_and_nothing_else(broker):
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    async with contender(kafka, "stream_app.proving.bench.rivals.raw_loop", posts(50)) as running:
        await running.finish(50)
        began = time.time()
        pace = await running.race(posts(2000, first=50))
        took = time.time() - began
    assert len(running.written) == 2050
    assert len(running.seen) == 2050
    assert pace.clock >= 2000 / took


@pytest.mark.kafka
def test_a_short_run_measures_the_shell(broker, tmp_path):
    out = tmp_path / "bench.jsonl"
    options = ["--short", "--only", "shell", "--bootstrap", broker.bootstrap_servers, "--json", str(out)]
    result = CliRunner().invoke(command, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (measured,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert measured["value"] > 0
    assert "posts/s" in measured["parts"]
    assert "goal" in result.output
