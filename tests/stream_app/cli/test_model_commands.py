"""``model train``, ``evaluate``, ``tables`` and ``show`` from end to end, on a few rows of the labelled data."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from stream_app.cli import cli

pytest.importorskip("torchjd", reason="torchjd comes with the train extra")
pytest.importorskip("pandas", reason="pandas comes with the train extra")
pytestmark = pytest.mark.shared


def call(*arguments):
    result = CliRunner().invoke(cli, ["model", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def hash_of(folder):
    return json.loads((folder / "manifest.json").read_text())["sha256"]


@pytest.fixture(scope="module")
def trained(shared, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "short"
    assert str(out) in call("train", "--data", shared, "--out", out, "--short")
    return out


def test_a_short_training_makes_a_model_that_can_be_shown(trained):
    shown = call("show", trained)
    assert hash_of(trained) in shown
    assert "(verified)" in shown
    assert "improved_graph, D = 512, binary tasks" in shown
    assert "model train --data DATA --out OUT --preset product --short" in shown


def test_a_training_that_was_stopped_after_its_text_layers_ends_with_the_same_weights(trained, shared, tmp_path):
    (tmp_path / "work").mkdir()
    shutil.copy(trained / "work" / "text.safetensors", tmp_path / "work")
    said = call("train", "--data", shared, "--out", tmp_path, "--short", "--resume")
    assert hash_of(trained) == hash_of(tmp_path)
    assert hash_of(trained) in said


def test_another_seed_is_another_model(trained, shared, tmp_path):
    (tmp_path / "work").mkdir()
    shutil.copy(trained / "work" / "text.safetensors", tmp_path / "work")
    call("train", "--data", shared, "--out", tmp_path, "--short", "--resume", "--seed", "1")
    assert hash_of(trained) != hash_of(tmp_path)


def test_a_changed_model_is_not_shown(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    result = CliRunner().invoke(cli, ["model", "show", str(tmp_path / "m")])
    assert result.exit_code == 1
    assert "the file is damaged or was replaced" in result.output


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


def test_the_official_protocol_trains_and_judges_its_own_model(shared):
    said = json.loads(call("evaluate", "--data", shared, "--protocol", "official", "--short", "--rows", 150))
    assert {
        f"{c}.{part}" for c in ("informativeness", "humanitarian") for part in ("dev", "test", "test_calibrated")
    } == (said.keys())


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
