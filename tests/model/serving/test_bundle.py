"""Weights are taken only if they are those the manifest was written for."""

import json

import pytest
import torch

from model.network import NetworkConfig
from model.scorer import ModelRefusedError
from model.serving.bundle import MANIFEST, WEIGHTS, load_bundle, save_bundle

CONFIG = NetworkConfig.product({"text": 4, "image": 3, "context": 2}, {"informativeness": ("no", "yes")}, width=8)


@pytest.fixture
def folder(tmp_path):
    save_bundle(tmp_path / "m", {"network.w": torch.arange(3.0)}, name="n", version="1", network=CONFIG)
    return tmp_path / "m"


def test_what_is_saved_comes_back(folder):
    bundle = load_bundle(folder)
    assert bundle.manifest.network == CONFIG
    assert torch.equal(bundle.part("network")["w"], torch.arange(3.0))
    assert bundle.part("text") == {}


def test_a_changed_byte_is_refused(folder):
    raw = bytearray((folder / WEIGHTS).read_bytes())
    raw[-1] ^= 1
    (folder / WEIGHTS).write_bytes(raw)
    with pytest.raises(ValueError, match="damaged or was replaced"):
        load_bundle(folder)


def test_a_manifest_with_an_unknown_field_is_refused(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "code": "import os"}))
    with pytest.raises(ModelRefusedError, match="fields that are unknown"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "content",
    [
        '{"password": "hunter2"}',
        "hunter2",
        '{"name": "hunter2", "sha256": "hunter2"}',
        '{"network": {"width": "hunter2"}}',
    ],
)
def test_what_is_said_of_a_manifest_quotes_nothing_of_the_file(folder, content):
    (folder / MANIFEST).write_text(content)
    with pytest.raises(ModelRefusedError) as told:
        load_bundle(folder)
    assert not {"hunter2", "password"} & set(str(told.value).replace("'", " ").replace(",", " ").split())


def test_a_missing_model_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="one of: default"):
        load_bundle(tmp_path)


def test_the_shipped_model_fits_its_hash_and_30_megabytes():
    from model.serving.bundle import SHIPPED, find

    assert load_bundle("default").manifest.network.fusion == "improved_graph"
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*.safetensors")) < 30e6
    assert find("default").parent == SHIPPED


def test_a_model_whose_damage_network_reads_more_of_a_photos_vector_is_refused_with_what_to_do(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["network"]["apart_widths"] = {}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert load_bundle(folder).manifest.network == CONFIG
    manifest["network"]["apart_widths"] = {"damage": 2304}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelRefusedError, match=r"damage network .* train it again"):
        load_bundle(folder)


def test_tensors_of_a_part_that_is_unknown_are_refused_with_what_to_do(tmp_path):
    tensors = {"network.w": torch.ones(1), "audio.hunter2": torch.ones(1), "ranges.image.w": torch.ones(1)}
    save_bundle(tmp_path, tensors, name="n", version="1", network=CONFIG)
    with pytest.raises(ModelRefusedError, match=r"^2 of the 3 tensors .* a newer one made it: ") as told:
        load_bundle(tmp_path)
    assert "hunter2" not in str(told.value)
