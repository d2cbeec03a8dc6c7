"""One cell of the paper's tables: a method trained from one seed, its answers on the test posts."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from model.fusion.align import drop_modalities
from model.multitask.balancer import Balancer
from model.multitask.dynamic import DynamicMultitask
from model.multitask.equal_weights import EqualWeights
from model.multitask.losses import Granularity, task_losses
from model.network import FusionName, FusionNetwork, NetworkConfig
from model.paper.data import SOURCES, TableData
from model.scorer import CONCEPTS, LABELS

EVALUATED = 1024
"""Posts in one pass without gradients."""


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the tables: a fusion and a way of learning several tasks."""

    name: str
    fusion: FusionName
    learning: Literal["equal", "equal_focal", "multi_objective", "interaction", "dynamic"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is the same for every method.

    Norm, W at the head, rate, clip and batch are the paper's, read literally; that vectors are projected to a width
    and not padded to the widest (``align=pad``) lets it run on a CPU.
    """

    epochs: int = 12
    patience: int = 5
    batch: int = 64
    rate: float = 0.01
    clip: float = 1.0
    align: Literal["pad", "project"] = "project"
    norm: Literal["layer", "none"] = "none"
    at: Literal["trunk", "head"] = "head"
    granularity: Granularity = "binary"
    width: int = 128
    projection: int = 16
    trunk: int = 256
    modality_dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class Cell:
    """What one training gave."""

    probabilities: dict[str, Tensor]
    """[test rows, labels] a concept."""
    best_epoch: int
    epochs: int
    seconds: float
    similarity: Tensor | None
    """S of equation 4 of the pairs present in the test posts, [pairs present], where the fusion has one."""


def network_config(method: Method, data: TableData, protocol: Protocol) -> NetworkConfig:
    """The paper's preset with the method's fusion and heads."""
    return NetworkConfig.paper(
        data.dims,
        {concept: LABELS[concept] for concept in CONCEPTS if concept in SOURCES},
        fusion=method.fusion,
        heads="interaction" if method.learning == "interaction" else "linear",
        align=protocol.align,
        norm=protocol.norm,
        granularity=protocol.granularity,
        width=protocol.width,
        projection=protocol.projection,
        trunk=protocol.trunk,
    )


def balancer_for(
    method: Method, config: NetworkConfig, labels: dict[str, Tensor], at: Literal["trunk", "head"]
) -> Balancer:
    """The method's way of weighing losses, given the train split's labels; ``at`` is whose weight W is."""
    tasks = len(config.tasks)
    match method.learning:
        case "dynamic":
            return DynamicMultitask(*config.counts(labels), at=at)
        case "multi_objective":
            from model.multitask.multi_objective import MultiObjective

            return MultiObjective(tasks)
        case "equal_focal":
            return EqualWeights(tasks, beta=2.0)
        case _:
            return EqualWeights(tasks)


def fit_cell(method: Method, data: TableData, protocol: Protocol, seed: int) -> Cell:
    """Train until the unweighted validation loss stops falling (``patience``); answer with the best weights.

    Where ``data`` lies there it is trained.
    """
    started = time.monotonic()
    torch.manual_seed(seed)
    config = network_config(method, data, protocol)
    device = data.mask.device
    network = FusionNetwork(config).to(device)
    dev = data.rows("dev")
    balancer = balancer_for(method, config, _labels(data, data.rows("train")), protocol.at).to(device)
    optimizer = torch.optim.Adam(network.parameters(), protocol.rate)
    best, best_epoch, best_state, epoch = math.inf, 0, copy.deepcopy(network.state_dict()), 0
    for epoch in range(1, protocol.epochs + 1):
        _train_epoch(network, balancer, optimizer, data, protocol)
        loss = validation_loss(network, data, dev, balancer.beta)
        if loss < best:
            best, best_epoch, best_state = loss, epoch, copy.deepcopy(network.state_dict())
        if epoch - best_epoch >= protocol.patience:
            break
    network.load_state_dict(best_state)
    probabilities, similarity = answer(network, data, data.rows("test"))
    return Cell(probabilities, best_epoch, epoch, time.monotonic() - started, similarity)


def _train_epoch(
    network: FusionNetwork, balancer: Balancer, optimizer: torch.optim.Optimizer, data: TableData, protocol: Protocol
) -> None:
    network.train()
    rows = data.rows("train")
    for chosen in torch.split(rows[torch.randperm(len(rows))], protocol.batch):
        if len(chosen) < 2:  # batch norm has nothing to say of a single row
            continue
        mask = drop_modalities(data.mask[chosen], protocol.modality_dropout)
        output = network({name: v[chosen] for name, v in data.vectors.items()}, mask)
        optimizer.zero_grad()
        balancer.backward(network.losses(output, _labels(data, chosen), balancer.beta), output)
        torch.nn.utils.clip_grad_norm_(network.parameters(), protocol.clip)
        optimizer.step()
    balancer.end_epoch()


def _labels(data: TableData, rows: Tensor) -> dict[str, Tensor]:
    return {concept: y[rows] for concept, y in data.labels.items()}


@torch.inference_mode()
def validation_loss(network: FusionNetwork, data: TableData, rows: Tensor, beta: float) -> float:
    """Sum of the tasks' mean losses over ``rows``, no task weighing more than another."""
    network.eval()
    outputs = [network({n: v[r] for n, v in data.vectors.items()}, data.mask[r]) for r in torch.split(rows, EVALUATED)]
    logits = {concept: torch.cat([o.logits[concept] for o in outputs]) for concept in data.labels}
    return float(task_losses(logits, _labels(data, rows), network.config.granularity, beta).values.sum())


@torch.inference_mode()
def answer(network: FusionNetwork, data: TableData, rows: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
    """Probabilities [rows, labels] a concept, and S of the pairs present."""
    network.eval()
    parts, seen = [], []
    for r in torch.split(rows, EVALUATED):
        output = network({n: v[r] for n, v in data.vectors.items()}, data.mask[r])
        parts.append({concept: p.cpu() for concept, p in network.probabilities(output.logits).items()})
        if output.weights is not None:
            similarity = output.weights.similarity
            seen.append(similarity[similarity > 0].cpu())
    joined = {concept: torch.cat([part[concept] for part in parts]) for concept in parts[0]}
    return joined, torch.cat(seen) if seen else None
