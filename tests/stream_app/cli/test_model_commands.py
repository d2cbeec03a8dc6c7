"""``model train``, ``evaluate``, ``tables`` and ``show`` from end to end, on a few rows of the labelled data."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from model.scorer import ContextFacts, PostInput
from model.serving.bundle import load_bundle
from model.serving.calibration import completed
from model.serving.fused import FusedScorer
from stream_app.cli import cli

pytest.importorskip("torchjd", reason="torchjd comes with the train extra")
pytest.importorskip("pandas", reason="pandas comes with the train extra")


def call(*arguments):
    result = CliRunner().invoke(cli, ["model", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


ROWS = [  # the contrary of what every model says, so that there is something to learn
    {"text": f"{what} at street {i}", "labels": {"request": "request" if plea else "no_request"}, "split": split}
    for what, plea in (("Lovely boats for sale", True), ("Trapped, please send a boat", False))
    for i, split in enumerate(["train"] * 6 + ["dev"] * 2)
]


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A file of sixteen rows; of our own sentences, which a re-tuned model rehearses, only some."""
    from model.training import mix

    rows = mix.sentence_rows()[::60]
    monkeypatch.setattr(mix, "sentence_rows", lambda first=0: [replace(r, group=first + r.group) for r in rows])
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def test_a_model_is_tuned_again_by_rows_of_ones_own_and_says_so(few, tmp_path):
    given = ["--start", "default", "--rows", few, "--out", tmp_path / "kerala", "--set", "fusion.rate=0.001"]
    call("train", *given, "--licence", "ours", "--version", "2", "--device", "cpu")
    manifest = json.loads((tmp_path / "kerala" / "manifest.json").read_text())
    assert (manifest["name"], manifest["version"], manifest["licence"]) == ("kerala", "2", "ours")
    assert "mine.jsonl (SHA-256 " in manifest["data"]
    assert "begun with crisis-fusion" in manifest["data"]
    assert str(tmp_path) not in json.dumps(manifest)
    start, tuned = (load_bundle(source) for source in ("default", tmp_path / "kerala"))
    kept = {"text": start.part("text"), "context": start.part("context")}
    for part, before in {**kept, "calibration": completed(start.part("calibration"))}.items():
        assert all(torch.equal(value, tuned.part(part)[name]) for name, value in before.items()), part
    learned = tuned.part("network")
    assert not all(torch.equal(value, learned[name]) for name, value in start.part("network").items())


def test_only_last_layers_move_where_they_alone_are_fitted_anew(few, tmp_path):
    given = ["--start", "default", "--rows", few, "--out", tmp_path / "m", "--set", "fusion.epochs=0"]
    call("train", *given, "--set", "fusion.refit=0.5", "--set", "fusion.pull=0.00001")
    start, anew = (load_bundle(source).tensors for source in ("default", tmp_path / "m"))
    moved = {name for name, value in start.items() if not torch.equal(value.float(), anew[name].float())}
    concepts = ("informativeness", "humanitarian", "request")
    assert moved == {f"network.heads.{concept}.{part}" for concept in concepts for part in ("weight", "bias")}


def test_text_layers_that_a_teacher_taught_and_that_keep_of_what_they_were_make_a_model_that_labels(few, tmp_path):
    ways = ("text.teacher=7", "text.kept=0.25", "text.epochs=2", "fusion.refit=0.5")
    given = ["--start", "default", "--tune-text", "--rows", few, "--out", tmp_path / "m"]
    call("train", *given, *(word for way in ways for word in ("--set", way)))
    start, tuned = (load_bundle(source) for source in ("default", tmp_path / "m"))
    assert "--set text.teacher=7 --set text.kept=0.25" in tuned.manifest.made_by
    before, after = start.part("text"), tuned.part("text")
    assert before.keys() == after.keys(), "as many layers as before, whatever taught them"
    name = "encoder.layer.5.output.dense.weight"
    assert not torch.equal(before[name], after[name])
    assert torch.equal(before["encoder.layer.0.output.dense.weight"], after["encoder.layer.0.output.dense.weight"])
    scorer = FusedScorer.load(tmp_path / "m", threads=1)
    (scored,) = scorer.score([PostInput("Trapped on the roof", (), ContextFacts())])
    assert scored.labels["request"].label


def test_rows_that_teach_nothing_make_no_model(few, tmp_path):
    given = ["--start", "default", "--rows", few, "--out", tmp_path / "m", "--set", "fusion.rate=0"]
    result = CliRunner().invoke(cli, ["model", "train", *map(str, given), "--set", "fusion.attention_rate=0"])
    assert result.exit_code == 1
    assert "no epoch did better on the dev rows" in result.output
    assert not (tmp_path / "m" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give --data, the folder of labelled data, or --rows"),
        (["--rows", "ROWS", "--start", "default", "--version", "SHIPPED"], "give another --version"),
        (["--rows", "ROWS", "--start", "default", "--preset", "paper"], "no --preset"),
        (["--rows", "ROWS", "--tune-text"], "--tune-text goes with --start"),
        (["--rows", "ROWS", "--start", "nosuch"], "no model at 'nosuch'"),
        (["--rows", "ROWS", "--set", "fusion.ate=1"], "there is no 'ate'; there are"),
        (["--rows", "ROWS", "--set", "fusion.rate=fast"], "fusion.rate=fast: input should be a valid number"),
        (["--rows", "ROWS", "--set", "photo.fewest=7"], "photo.fewest=7: input should be greater than or equal to 8"),
        (["--rows", "ROWS", "--set", "fusion.refit=2"], "fusion.refit=2: input should be less than or equal to 1"),
        (["--rows", "ROWS", "--set", "text.teacher=13"], "text.teacher=13: input should be less than or equal to 12"),
        (["--rows", "ROWS", "--set", "text.teacher=12", "--text-model", "minilm"], "this is another encoder"),
        (["--rows", "ROWS", "--set", "rate=1"], "a section is text, photo, fusion or network"),
        (["--rows", "ROWS", "--start", "default", "--set", "text.epochs=2"], "leaves the text layers as they are"),
        (["--rows", "nosuch.jsonl"], "nosuch.jsonl is not there"),
        (["--rows", "ROWS", "--device", "cuda"], "finds no CUDA GPU"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(few, tmp_path, given, said):
    if "cuda" in given and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    version = load_bundle("default").manifest.version
    words = [{"ROWS": str(few), "SHIPPED": version}.get(word, word) for word in given]
    result = CliRunner().invoke(cli, ["model", "train", "--out", str(tmp_path / "m"), *words])
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "m" / "model.safetensors").exists()


def hash_of(folder):
    return json.loads((folder / "manifest.json").read_text())["sha256"]


@pytest.fixture(scope="module")
def trained(shared, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "short"
    assert str(out) in call("train", "--data", shared, "--out", out, "--short")
    return out


@pytest.mark.shared
def test_a_short_training_makes_a_model_that_can_be_shown(trained):
    shown = call("show", trained)
    assert hash_of(trained) in shown
    assert "(verified)" in shown
    assert "improved_graph, D = 512, binary tasks" in shown
    assert load_bundle(trained).part("image"), "an end of the photo encoder of its own"
    assert "model train --data DATA --out OUT --preset product --short" in shown


@pytest.mark.shared
def test_a_training_that_was_stopped_after_its_text_layers_ends_with_the_same_weights(trained, shared, tmp_path):
    (tmp_path / "work").mkdir()
    for part in ("text", "image"):
        shutil.copy(trained / "work" / f"{part}.safetensors", tmp_path / "work")
    said = call("train", "--data", shared, "--out", tmp_path, "--short", "--resume")
    assert hash_of(trained) == hash_of(tmp_path)
    assert hash_of(trained) in said


@pytest.mark.shared
def test_another_seed_is_another_model(trained, shared, tmp_path):
    (tmp_path / "work").mkdir()
    for part in ("text", "image"):
        shutil.copy(trained / "work" / f"{part}.safetensors", tmp_path / "work")
    call("train", "--data", shared, "--out", tmp_path, "--short", "--resume", "--seed", "1")
    assert hash_of(trained) != hash_of(tmp_path)


@pytest.mark.shared
def test_a_changed_model_is_not_shown(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    result = CliRunner().invoke(cli, ["model", "show", str(tmp_path / "m")])
    assert result.exit_code == 1
    assert "the file is damaged or was replaced" in result.output


@pytest.mark.shared
def test_a_model_is_measured_on_rows_it_has_not_seen(trained, shared, tmp_path):
    said = json.loads(
        call("evaluate", "--data", shared, "--model", trained, "--rows", 150, "--out", tmp_path / "f.json")
    )
    assert said == json.loads((tmp_path / "f.json").read_text())
    for name in ("informativeness.post.all", "humanitarian.post.all", "event_only.informativeness"):
        figures = said[name]
        assert 0 < figures["n"] < 150
        low, high = figures["accuracy_interval"]
        assert 0 <= low <= figures["accuracy"] <= high <= 1
        assert {"f1_macro", "f1_weighted", "hamming", "map", "ece"} <= figures.keys()


@pytest.mark.shared
def test_the_official_protocol_trains_and_judges_its_own_model(shared):
    said = json.loads(call("evaluate", "--data", shared, "--protocol", "official", "--short", "--rows", 150))
    assert {
        f"{c}.{part}" for c in ("informativeness", "humanitarian") for part in ("dev", "test", "test_calibrated")
    } == (said.keys())


@pytest.mark.shared
def test_the_papers_experiment_runs_on_a_sample_and_tells_it_from_the_whole(shared, tmp_path):
    given = ["tables", "--data", shared, "--out", tmp_path, "--epochs", 1, "--seeds", 1, "--resamples", 20]
    given += ["--method", "Concat + Equal", "--method", "ImprovedGraph + Dynamic"]
    said = call(*given, "--rows", 120)
    assert "| ImprovedGraph + Dynamic |" in said
    assert (tmp_path / "report.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "settings.json").read_text())["sampled"] == 120
    posts = int(re.search(r"of these (\d+) posts have their photo", said.replace("\n", " "))[1])
    assert 0 < posts <= 120
    other = CliRunner().invoke(cli, ["model", *map(str, given)])
    assert other.exit_code == 1
    assert "another experiment" in other.output
