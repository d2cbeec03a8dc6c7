"""Training stops when the unweighted validation loss has stopped falling, and answers with its best epoch."""

from dataclasses import replace

import pytest
import torch

from model.data.rows import LEARNED
from model.network import FusionNetwork, NetworkConfig
from model.paper.fit import Protocol
from model.training import fusion
from model.training.fusion import FusionPlan, fit, validation_loss
from model.training.vectors import Vectors

DIMS = {"text": 6, "image": 5, "context": 3}
CONFIG = NetworkConfig.product(DIMS, LEARNED, width=8)


def vectors(n, seed):
    g = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(n, d, generator=g) for name, d in DIMS.items()}
    sides = [{c: torch.randint(-1, len(k), (n,), generator=g) for c, k in LEARNED.items()} for _ in range(3)]
    return Vectors(values, torch.ones(n, 3, dtype=torch.bool), *sides)


def watch(monkeypatch, module, losses):
    """Give training these validation losses; what it weighed at each, and how it was asked."""
    seen, left = [], iter(losses)

    def loss(network, *_):
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return next(left)

    monkeypatch.setattr(module, "validation_loss", loss)
    return seen


@pytest.mark.parametrize(
    ("patience", "losses", "best"), [(2, [3, 2, 1, 5, 5, 5], 2), (0, [1, 9], 0), (1, [4, 5, 3, 9, 9], 2)]
)
def test_the_best_epoch_is_kept_and_patience_is_how_many_worse_ones_are_borne(monkeypatch, patience, losses, best):
    seen = watch(monkeypatch, fusion, [*losses, *[9] * 50])
    network = fit(CONFIG, vectors(48, 0), vectors(24, 1), FusionPlan(epochs=20, batch=16, patience=patience))
    assert len(seen) == len(losses)
    assert all(torch.equal(value, seen[best][name]) for name, value in network.state_dict().items())


def test_a_loss_that_keeps_falling_is_followed_to_the_last_epoch(monkeypatch):
    seen = watch(monkeypatch, fusion, range(100, 0, -1))
    fit(CONFIG, vectors(48, 0), vectors(24, 1), FusionPlan(epochs=4, batch=16, patience=1))
    assert len(seen) == 4


def test_the_validation_loss_knows_no_weights_of_tasks():
    torch.manual_seed(0)
    network, dev = FusionNetwork(CONFIG), vectors(60, 2)
    network.eval()
    losses = network.losses(network(dev.values, dev.mask), dev.labels(dev.mask)).values
    assert validation_loss(network, dev) == pytest.approx(losses.mean().item(), rel=1e-6)


def test_the_presets_are_the_methods():
    paper, product, tables = FusionPlan.paper(), FusionPlan(), Protocol()
    assert (paper.rate, paper.decay, paper.clip, paper.batch, paper.patience) == (1e-2, 0.0, 1.0, 64, 5)
    assert (product.rate, product.clip, product.balancer) == (1e-3, 1.0, "dynamic")
    assert 0.1 <= paper.drop <= 0.3
    assert 0.1 <= product.drop <= 0.3
    assert (tables.rate, tables.clip, tables.batch, tables.patience) == (1e-2, 1.0, 64, 5)
    assert 0.1 <= tables.modality_dropout <= 0.3


BY_PHOTO = NetworkConfig.product(DIMS, LEARNED, width=8, apart={"damage": "image"})


def damaged(n, seed, entry, *, other=False):
    """Rows whose damage one entry of the photo's vector tells, or the contrary."""
    rows = vectors(n, seed)
    label = ((rows.values["image"][:, entry] > 0) != other).long()
    return replace(rows, of_image={**rows.of_image, "damage": label})


def test_what_a_photo_answers_by_itself_is_learned_from_photos_whatever_is_said_of_the_whole_post():
    rows = damaged(900, 0, 0)
    network = fit(BY_PHOTO, rows, rows, FusionPlan(epochs=0))
    answers = network(rows.values, rows.mask).logits["damage"].argmax(1)
    assert float((answers == rows.of_image["damage"]).float().mean()) > 0.75


@pytest.mark.parametrize(
    ("dev", "moves"), [(damaged(200, 2, 1), True), (damaged(200, 2, 1, other=True), False), (damaged(20, 2, 1), False)]
)
def test_what_a_photo_answers_is_tuned_where_enough_dev_rows_do_better_by_it(dev, moves):
    first, plan = damaged(300, 0, 0), FusionPlan(epochs=0)
    start = fit(BY_PHOTO, first, first, plan)
    tuned = fit(BY_PHOTO, damaged(900, 1, 1), dev, plan, start=start.state_dict())
    assert torch.equal(tuned.apart["damage"].inner.weight, start.apart["damage"].inner.weight) is not moves
