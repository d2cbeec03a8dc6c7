"""No two weights have one version: ids of events are made of it."""

import json

import pytest
import torch

from model.network import NetworkConfig
from model.scorer import LABELS
from model.serving.bundle import SHIPPED, Manifest, load_bundle, save_bundle
from model.training.about import About, check_version, data_of, licence_of

SHIPPED_VERSION = json.loads((SHIPPED / "default" / "manifest.json").read_text())["version"]
CONFIG = NetworkConfig.product({"text": 3}, LABELS)


def test_the_version_of_a_shipped_model_is_refused_and_says_why():
    with pytest.raises(ValueError, match=r"is that of crisis-fusion .* give another --version"):
        check_version(SHIPPED_VERSION)
    with pytest.raises(ValueError, match="that of the model 'fixed'"):
        check_version("1")
    check_version("7.0.0")
    check_version(None)


def test_the_version_of_the_model_to_start_from_is_refused():
    start = Manifest(name="mine", version="3", sha256="0" * 64, network=CONFIG)
    with pytest.raises(ValueError, match="that of mine 3"):
        check_version("3", start=start)


def test_without_a_version_other_weights_have_another_one(tmp_path):
    made = [
        save_bundle(tmp_path / str(i), {"network.x": torch.full((2,), float(i))}, network=CONFIG, **about().fields())
        for i in (0, 1)
    ]
    assert made[0].version == made[0].sha256[:12] != made[1].version
    assert load_bundle(tmp_path / "0").manifest.licence == "CC0"


def test_a_version_that_is_said_is_written():
    assert about("2.1").fields()["version"] == "2.1"


def about(version=None):
    return About("mine", version, "rows", "CC0", "crisis-stream model train")


def test_data_and_licence_name_files_and_the_model_it_began_with(tmp_path):
    (tmp_path / "r.jsonl").write_text("x")
    start = Manifest(name="old", version="3", sha256="0" * 64, network=CONFIG, licence="L", data="D")
    told = data_of(shared=False, files=[tmp_path / "r.jsonl"], start=start)
    assert "r.jsonl (SHA-256 2d711642b726)" in told
    assert "begun with old 3 (D)" in told
    assert licence_of(shared=False, start=start) == "L"
    assert "research use only" in licence_of(shared=True, start=start)
    assert "ask whoever" in licence_of(shared=False, start=None)
