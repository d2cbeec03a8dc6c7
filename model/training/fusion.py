"""Training of the fusion network on encoded rows: modality dropout, a balancer, early stopping, resumable."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import WeightedRandomSampler

from model.fusion.align import drop_modalities
from model.kernels.precision import fastest_dtype
from model.multitask.apart import Apart
from model.multitask.balancer import Balancer
from model.multitask.dynamic import DynamicMultitask
from model.multitask.equal_weights import EqualWeights
from model.network import FusionNetwork, NetworkConfig
from model.training.checkpoint import read_checkpoint, write_checkpoint
from model.training.vectors import Vectors


@dataclass(frozen=True, slots=True)
class FusionPlan:
    """How to train; the defaults are the product's, :meth:`paper` is the literal reading of the method."""

    rate: float = 1e-3
    attention_rate: float | None = None
    """The dynamic attention's own; at that of the rest it hardly moves."""
    batch: int = 64
    epochs: int = 40
    patience: int = 5
    drop: float = 0.2
    """Chance of hiding each modality of a training row."""
    image_share: float = 4.0
    """How much more often a row with a photo is drawn than one without: photos are few."""
    decay: float = 1e-2
    clip: float = 1.0
    seed: int = 0
    balancer: Literal["dynamic", "equal"] = "dynamic"
    at: Literal["trunk", "head"] = "trunk"
    """Whose weight W is in equation 11."""
    enough: int = 30
    """With fewer labelled dev rows a task does not decide when to stop: its loss there is chance."""
    refit: Annotated[float, Field(ge=0, le=1)] | None = None
    """In the end last layers are fitted anew, to labels that are so much the text heads' (:mod:`model.training.refit`).
    """
    pull: float = 3e-3
    """What holds them to the weights they had."""

    @classmethod
    def paper(cls, **changes: Any) -> FusionPlan:
        """Adam at 0.01, every row drawn alike, W at each task's head."""
        return cls(**{"rate": 1e-2, "decay": 0.0, "image_share": 1.0, "drop": 0.1, "at": "head", **changes})

    @classmethod
    def retune(cls) -> FusionPlan:
        """From weights that are good already: small steps, soon stopped."""
        return cls(rate=1e-4, attention_rate=1e-4, batch=64, epochs=6, patience=1, image_share=1.0)

    def few(self) -> FusionPlan:
        """For some hundred rows, all with a photo: small batches, and time to stop by itself."""
        return replace(self, batch=32, epochs=20, patience=4, image_share=1.0)


EpochDone = Callable[[int, float], None]
"""Told each epoch's number and unweighted validation loss."""


def fit(
    config: NetworkConfig,
    train: Vectors,
    dev: Vectors,
    plan: FusionPlan,
    *,
    done: EpochDone = lambda *_: None,
    checkpoint: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
    apart: Mapping[str, Tensor] | None = None,
    device: torch.device | None = None,
) -> FusionNetwork:
    """The network of the epoch with the least unweighted validation loss; the same seed gives the same network.

    With ``checkpoint`` every epoch is saved there, and training goes on from it if it exists. ``start`` are weights to
    begin with, which are kept where no epoch betters them; ``apart`` those of concepts that were learned already, by
    name (``damage.bias``). The network is left on the CPU.
    """
    torch.manual_seed(plan.seed)
    device = device or torch.device("cpu")
    network = FusionNetwork(config, fastest_dtype(device))
    if start is None:
        network.align.fit([train.values[name] for name in config.modalities], train.mask)
        _fit_apart(network, train, apart or {})
    else:
        network.load_state_dict(dict(start))
        _tune_apart(network, train, dev, plan.enough)
    network.to(device)
    balancer = _balancer(config, train, plan).to(device)
    optimizer = torch.optim.AdamW(_paces(network, plan), lr=plan.rate, weight_decay=plan.decay)
    generator = torch.Generator().manual_seed(plan.seed)
    best, first, waited = copy.deepcopy(network.state_dict()), 0, 0
    best_loss = float("inf") if start is None else validation_loss(network, dev, plan.enough)
    parts = {"network": network, "balancer": balancer, "optimizer": optimizer}
    if checkpoint and checkpoint.is_file():
        best, best_loss, first, waited = read_checkpoint(checkpoint, parts, generator)
    for epoch in range(first, plan.epochs):
        if waited > plan.patience:
            break
        _epoch(network, balancer, optimizer, train, plan, generator)
        loss = validation_loss(network, dev, plan.enough)
        waited = 0 if loss < best_loss else waited + 1
        if waited == 0:
            best, best_loss = copy.deepcopy(network.state_dict()), loss
        if checkpoint:
            write_checkpoint(checkpoint, parts, generator, (best, best_loss, epoch + 1, waited))
        done(epoch, loss)
    network.load_state_dict(best)
    return network.to("cpu").eval()


def _fit_apart(network: FusionNetwork, train: Vectors, known: Mapping[str, Tensor]) -> None:
    """What one modality answers, from all rows that have it and a label when seen by it alone. The fusion follows."""
    for concept, part in _apart(network).items():
        if f"{concept}.bias" in known:
            part.load_state_dict({name: known[f"{concept}.{name}"] for name in part.state_dict()})
            continue
        x, y = _alone(network, train, concept)
        if len(y):
            part.fit(x, y)


def _tune_apart(network: FusionNetwork, train: Vectors, dev: Vectors, enough: int) -> None:
    """Small steps of the same from weights that are good already, kept where ``enough`` dev rows do better by them."""
    for concept, part in _apart(network).items():
        (x, y), (x_dev, y_dev) = (_alone(network, rows, concept) for rows in (train, dev))
        if not len(y) or len(y_dev) < enough:
            continue
        tuned = copy.deepcopy(part)
        tuned.learn(x, y)
        with torch.no_grad():
            before, after = (F.cross_entropy(each.eval()(x_dev), y_dev) for each in (part, tuned))
        if after < before:
            part.load_state_dict(tuned.state_dict())


def _apart(network: FusionNetwork) -> dict[str, Apart]:
    return cast("dict[str, Apart]", dict(network.apart.items()))


def _alone(network: FusionNetwork, rows: Vectors, concept: str) -> tuple[Tensor, Tensor]:
    """Vectors [n, d] of a concept's modality and class indices [n], of rows with a label when seen by it alone."""
    modality = network.config.apart[concept]
    place = list(network.config.modalities).index(modality)
    labels = rows.labels(rows.mask & (torch.arange(rows.mask.shape[1]) == place))[concept]
    there = rows.mask[:, place] & (labels >= 0)
    return rows.values[modality][there], labels[there]


def _paces(network: FusionNetwork, plan: FusionPlan) -> list[dict[str, Any]]:
    """The attention's parameters and the others, each with their rate."""
    quick = [p for name, p in network.named_parameters() if name.startswith("fusion.attention.")]
    rest = [p for name, p in network.named_parameters() if not name.startswith("fusion.attention.")]
    return [{"params": rest}, {"params": quick, "lr": plan.attention_rate or plan.rate}]


def _balancer(config: NetworkConfig, train: Vectors, plan: FusionPlan) -> Balancer:
    positives, totals = config.counts(train.labels(train.mask))
    return (
        DynamicMultitask(positives, totals, at=plan.at) if plan.balancer == "dynamic" else EqualWeights(len(positives))
    )


def _epoch(
    network: FusionNetwork,
    balancer: Balancer,
    optimizer: torch.optim.Optimizer,
    train: Vectors,
    plan: FusionPlan,
    generator: torch.Generator,
) -> None:
    network.train()
    device = _device(network)
    weights = torch.where(train.mask[:, 1], plan.image_share, 1.0)
    order = torch.tensor(list(WeightedRandomSampler(weights.tolist(), len(train), generator=generator)))
    for index in order.split(plan.batch):  # type: ignore[no-untyped-call]
        batch = train.take(index)
        mask = drop_modalities(batch.mask, plan.drop, generator)
        batch, mask = batch.to(device), mask.to(device)
        output = network(batch.values, mask)
        optimizer.zero_grad()
        balancer.backward(network.losses(output, batch.labels(mask), balancer.beta), output)
        torch.nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        optimizer.step()
    balancer.end_epoch()


def _device(network: FusionNetwork) -> torch.device:
    return next(network.parameters()).device


@torch.no_grad()
def logits_of(network: FusionNetwork, rows: Vectors, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Logits of each concept [n, K] of all rows, seen through ``mask`` (all they have when None), on the CPU."""
    network.eval()
    device, shown = _device(network), rows.mask if mask is None else mask
    parts = []
    for index in torch.arange(len(rows)).split(1024):  # type: ignore[no-untyped-call]
        part = rows.take(index).to(device)
        parts.append({c: z.cpu() for c, z in network(part.values, shown[index].to(device)).logits.items()})
    return {concept: torch.cat([part[concept] for part in parts]) for concept in network.config.concepts}


@torch.no_grad()
def validation_loss(network: FusionNetwork, rows: Vectors, enough: int = 0) -> float:
    """The mean over tasks of the unweighted cross-entropy over their labelled rows.

    Tasks with fewer than ``enough`` of these are left out, unless all have fewer.
    """
    network.eval()
    rows = rows.to(_device(network))
    losses = network.losses(network(rows.values, rows.mask), rows.labels(rows.mask))
    judged = losses.rows >= enough
    return float(losses.values[judged if judged.any() else losses.present].mean())
