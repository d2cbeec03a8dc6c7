"""An end of the photo encoder's own is learned from photos of the train split and fits into the encoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from model.data.rows import Row
from model.encoders.efficientnet import WIDTH, Convolution
from model.encoders.image import ImageEncoder
from model.scorer import LABELS
from model.training import photo
from model.training.photo import PhotoPlan, learn, tune_end

CPU = torch.device("cpu")
FEW = PhotoPlan(epochs=2, rounds=2, fewest=8, batch=4)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Ten photos, brighter where more is damaged; some of them of other splits or never judged."""
    folder, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    made = []
    for i in range(10):
        pixels = draw.integers(80 * (i % 3), 80 * (i % 3) + 90, (230, 230, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
        answers = {"damage": LABELS["damage"][i % 3]} if i < 9 else {"informativeness": "informative"}
        made.append(Row(str(i), i, "e", "train" if i != 8 else "dev", None, folder / f"{i}.png", of_image=answers))
    return made


def test_an_end_is_learned_of_judged_photos_of_the_train_split_and_is_one_of_the_encoder(rows):
    looked = []
    end, heads = tune_end(rows, FEW, CPU, looked.append)
    assert sum(looked) == 8
    assert heads["inner.weight"].shape[1] == WIDTH
    assert all(value.is_contiguous() for value in end.values()), "or it cannot be saved"
    pixels = [photo.pixels_of(row) for row in rows[:3]]
    vectors = ImageEncoder.load(own=end, quick="int8").encode(pixels)
    packaged, own = vectors.split(WIDTH, 1)
    assert 0.9 < float(torch.cosine_similarity(packaged, own).min()) < 1


def test_of_too_few_photos_no_end_is_learned(rows):
    assert tune_end(rows, replace(FEW, fewest=9), CPU) == ({}, {})


def small():
    """An end of one layer, and maps [1, n, 4, 2, 2] of which the first channel tells the class."""
    draw = torch.Generator().manual_seed(0)
    end = [Convolution(torch.randn(WIDTH, 4, 1, 1, generator=draw) / 2, torch.zeros(WIDTH), "relu6", 1)]
    maps = torch.randn(1, 96, 4, 2, 2, generator=draw).half()
    return end, maps, (maps[0, :, 0].float().mean((1, 2)) > 0).long()


def test_end_and_heads_learn_together_and_the_same_seed_gives_the_same():
    end, maps, truth = small()
    plan = PhotoPlan(epochs=2, rounds=1)
    (tuned, heads), (again, _), (other, _) = (
        learn(end, maps, truth, each, CPU) for each in (plan, plan, replace(plan, seed=1))
    )
    layer, same, different = (each.layers()[0].weight for each in (tuned, again, other))
    assert torch.equal(layer, same)
    assert not torch.equal(layer, different)
    assert not torch.equal(layer, end[0].weight)
    with torch.no_grad():
        assert (heads(tuned(maps[0].float())).argmax(1) == truth).float().mean() > 0.9


def test_the_mean_of_the_rounds_weights_is_kept(monkeypatch):
    end, maps, truth = small()
    steps = iter((1.0, 3.0))

    def moved(both, *_):
        step = next(steps)
        return {name: value + step for name, value in both.state_dict().items()}

    monkeypatch.setattr(photo, "_round", moved)
    kept, _ = learn(end, maps, truth, PhotoPlan(rounds=2), CPU)
    torch.testing.assert_close(kept.layers()[0].weight, end[0].weight + 2)
