"""A stopped training that goes on ends with the weights of one that was never stopped."""

import pytest
import torch

from model.data.rows import LEARNED
from model.network import NetworkConfig
from model.training import fusion
from model.training.fusion import FusionPlan, fit
from model.training.vectors import Vectors

DIMS = {"text": 6, "image": 5, "context": 3}
PLAN = FusionPlan(epochs=4, batch=16, patience=9)
CONFIG = NetworkConfig.product(DIMS, LEARNED, width=8, dropout=0.2)


class StoppedError(Exception):
    pass


def vectors(n, seed):
    g = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(n, d, generator=g) for name, d in DIMS.items()}
    mask = torch.rand(n, 3, generator=g) < 0.7
    mask[:, 2] = True
    sides = [{c: torch.randint(-1, len(k), (n,), generator=g) for c, k in LEARNED.items()} for _ in range(3)]
    return Vectors(values, mask, *sides)


TRAIN, DEV = vectors(80, 0), vectors(40, 1)


def stop_after(epoch):
    def done(number, _):
        if number == epoch:
            raise StoppedError

    return done


def same(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("last", [0, 2])
def test_going_on_gives_the_same_weights_and_repeats_no_epoch(tmp_path, last, monkeypatch):
    # The best epoch is the last one here, so that what resuming restores decides the result.
    losses = iter(range(100, 0, -1))
    monkeypatch.setattr(fusion, "validation_loss", lambda *_: float(next(losses)))
    whole = fit(CONFIG, TRAIN, DEV, PLAN)
    file = tmp_path / "fusion.ckpt"
    with pytest.raises(StoppedError):
        fit(CONFIG, TRAIN, DEV, PLAN, done=stop_after(last), checkpoint=file)
    torch.manual_seed(99)
    epochs = []
    resumed = fit(CONFIG, TRAIN, DEV, PLAN, done=lambda number, _: epochs.append(number), checkpoint=file)
    assert epochs == list(range(last + 1, PLAN.epochs))
    assert same(whole, resumed)


@pytest.mark.parametrize("forgotten", ["network", "balancer", "optimizer", "random"])
def test_whatever_is_not_restored_shows_in_the_weights(tmp_path, forgotten, monkeypatch):
    """So the test above means something."""
    losses = iter(range(100, 0, -1))
    monkeypatch.setattr(fusion, "validation_loss", lambda *_: float(next(losses)))
    whole = fit(CONFIG, TRAIN, DEV, PLAN)
    file = tmp_path / "fusion.ckpt"
    with pytest.raises(StoppedError):
        fit(CONFIG, TRAIN, DEV, PLAN, done=stop_after(2), checkpoint=file)
    read = fusion.read_checkpoint

    def forgetful(path, parts, generator):
        before = torch.get_rng_state(), generator.get_state()
        progress = read(path, {name: part for name, part in parts.items() if name != forgotten}, generator)
        if forgotten == "random":
            torch.set_rng_state(before[0])
            generator.set_state(before[1])
        return progress

    monkeypatch.setattr(fusion, "read_checkpoint", forgetful)
    assert not same(whole, fit(CONFIG, TRAIN, DEV, PLAN, checkpoint=file))
