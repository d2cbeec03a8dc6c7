"""A model labels nobody's post before it has shown that its answers are answers, in this program's own words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.encoders.pinned import PACKAGED_FILES, check_files, fingerprint
from model.encoders.text import packaged_folder
from model.load import load_scorer
from model.scorer import CONCEPTS, LABELS, ConceptScore, ModelRefusedError, Scored
from model.serving.bundle import MANIFEST, SHIPPED, WEIGHTS, load_bundle
from model.serving.fixed import FixedScorer
from model.serving.vet import check_manifest, vet

CONCEPT = CONCEPTS[-1]


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped model and a way to change it that leaves its hash right."""
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED / "default", folder)

    def change(tensors=None, **fields):
        if tensors:
            save_file(tensors(load_file(folder / WEIGHTS)), folder / WEIGHTS)
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest |= {"sha256": sha256((folder / WEIGHTS).read_bytes()).hexdigest(), **fields}
        (folder / MANIFEST).write_text(json.dumps(manifest))
        return folder

    return change


def poisoned(tensors):
    """One weight of the network is not a number."""
    name = next(each for each in tensors if each.startswith("network.") and tensors[each].is_floating_point())
    tensors[name].view(-1)[0] = torch.nan
    return tensors


def test_a_model_of_nan_with_a_right_hash_is_refused(copy):
    with pytest.raises(ModelRefusedError, match="not finite"):
        load_scorer(copy(poisoned), threads=1)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_labels_in_another_order_are_refused(concept):
    manifest = load_bundle("default").manifest
    check_manifest(manifest)
    turned = {**manifest.network.concepts, concept: tuple(reversed(LABELS[concept]))}
    network = manifest.network.model_copy(update={"concepts": turned})
    with pytest.raises(ModelRefusedError, match=f"its labels of {concept} are .*in this order"):
        check_manifest(manifest.model_copy(update={"network": network}))


def test_a_missing_concept_is_refused():
    manifest = load_bundle("default").manifest
    concepts = {name: labels for name, labels in manifest.network.concepts.items() if name != CONCEPT}
    network = manifest.network.model_copy(update={"concepts": concepts})
    with pytest.raises(ModelRefusedError, match=f"its labels of {CONCEPT} are missing"):
        check_manifest(manifest.model_copy(update={"network": network}))


def test_another_image_encoder_is_refused_rather_than_ignored(copy):
    with pytest.raises(ModelRefusedError, match="its image encoder is none of efficientnet_lite0"):
        load_scorer(copy(image_model="resnet50"))


def test_no_hub_is_dialled_in_service(copy, monkeypatch):
    import transformers

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", lambda *_, **__: pytest.fail("asked a hub"))
    with pytest.raises(ModelRefusedError, match=r"neither packaged .* nor a folder"):
        load_scorer(copy(text_model="someone/their-model"))


def test_a_base_encoder_in_a_folder_is_the_one_that_was_trained_on(copy, tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(packaged_folder("minilm"), folder)
    with pytest.raises(ModelRefusedError, match="text_files"):
        load_scorer(copy(text_model=str(folder)))
    source = copy(text_model=str(folder), text_files=fingerprint(folder))
    assert load_scorer(source, threads=1).info.name == load_bundle("default").manifest.name
    config = folder / "config.json"
    config.write_bytes(config.read_bytes() + b" ")
    with pytest.raises(ModelRefusedError, match=r"config\.json is not the file"):
        load_scorer(source)


def test_the_packaged_encoders_files_are_known_and_a_change_is_refused(tmp_path):
    for name, files in PACKAGED_FILES.items():
        check_files(packaged_folder(name), files, all_of_it=False)
        broken = dict(files) | {"config.json": "0" * 64}
        with pytest.raises(ModelRefusedError, match=r"config\.json"):
            check_files(packaged_folder(name), broken, all_of_it=False)
        with pytest.raises(ModelRefusedError, match="is not the file"):
            check_files(tmp_path, files)


class Odd(FixedScorer):
    """A scorer whose answer for one concept is put in its place by ``swap``."""

    def __init__(self, swap):
        self.swap = swap

    def score(self, posts):
        return [replace(each, labels={**each.labels, CONCEPT: self.swap(each)}) for each in super().score(posts)]


class Silent(FixedScorer):
    def score(self, posts):
        return [Scored({}, each.explanation) for each in super().score(posts)]


def table(*values):
    return dict(zip(LABELS[CONCEPT], values, strict=False))


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        (table(float("nan"), *[0.0] * 9), "not finite"),
        (table(float("inf"), *[0.0] * 9), "not finite"),
        (table(0.7, *[0.7] * 9), "do not sum up to 1"),
        ({"something else": 1.0}, "are not of"),
    ],
)
def test_answers_that_are_none_are_refused(probabilities, said):
    label = next(iter(probabilities))
    with pytest.raises(ModelRefusedError, match=f"its probabilities of {CONCEPT} .*{said}|{said}"):
        vet(Odd(lambda _: ConceptScore(label, probabilities[label], probabilities)))


def test_a_model_that_fails_or_says_nothing_is_refused():
    def fail(_):
        raise KeyError("x")

    with pytest.raises(ModelRefusedError, match="fails on a harmless post"):
        vet(Odd(fail))
    with pytest.raises(ModelRefusedError, match="no label"):
        vet(Odd(lambda _: ConceptScore(None, None, {}, "cannot say")))
    with pytest.raises(ModelRefusedError, match="says nothing of"):
        vet(Silent())


def test_the_models_that_ship_pass():
    for source in ("fixed", "default"):
        vet(load_scorer(source, threads=1))
