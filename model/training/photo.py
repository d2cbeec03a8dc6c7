"""An end of the photo encoder of a model's own, tuned for damage: photos of disasters are few, and ImageNet has none.

First heads on the packaged end's vectors, then both together, since heads that know nothing yet would spoil what the
end knows (Kumar et al., 2022, arXiv:2202.10054). Photos are mixed two by two (Zhang et al., 2018, arXiv:1710.09412).
Several rounds go over them in other orders from the same beginning, and the mean of their weights is kept (Wortsman et
al., 2022, arXiv:2203.05482): better than one round, at no cost in service.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.data.rows import Row, classes
from model.encoders.efficientnet import WIDTH, Convolution, before_ends, folded
from model.encoders.image import packaged_state
from model.kernels.packed import Operation
from model.kernels.precision import fastest_dtype
from model.multitask.apart import Apart
from model.scorer import LABELS
from model.training.photo_ranges import FEWEST, photo_ranges
from model.training.vectors import Step, pixels_of

CONCEPT = "damage"
_LABELS = LABELS["damage"]
_AT_ONCE = 4
_SMOOTHING = 0.1
_WARMING = 15
"""Steps in which the rate rises."""
_KEPT = 0.97
"""Of the moving average of weights at each step."""


@dataclass(frozen=True, slots=True)
class PhotoPlan:
    """How to tune it."""

    rate: float = 3e-4
    """Of the end and the heads, falling to nothing."""
    batch: int = 32
    epochs: int = 3
    rounds: int = 2
    mix: float = 0.3
    """Both parameters of the Beta distribution that shares of mixed photos are drawn from."""
    clip: float = 1.0
    seed: int = 0
    fewest: Annotated[int, Field(ge=FEWEST)] = 200
    """Of fewer labelled photos the packaged end is better."""


def tune_end(
    rows: Sequence[Row], plan: PhotoPlan, device: torch.device, step: Step = lambda _: None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A bundle's ``image.*`` and weights of :class:`Apart` that reads that end; none where too few photos were judged.

    It learns from those of the ``train`` split with a label of damage. ``step`` is told how many more were looked at.
    """
    learning = [row for row in rows if row.split == "train" and row.image and CONCEPT in row.of_image]
    if len(learning) < plan.fewest:
        return {}, {}
    packaged = folded(packaged_state())
    maps = _maps(learning, before_ends(packaged, device, fastest_dtype(device)), device, step)
    truth = torch.tensor(classes([row.of_image for row in learning], CONCEPT))
    end, heads = learn(packaged[-1], maps, truth, plan, device)
    own = end.layers()
    shown = sorted(row.image for row in learning if row.image)
    seen = photo_ranges(shown, [*packaged[:-1], own])
    tensors = {
        name: value
        for i, (layer, given) in enumerate(zip(own, seen[-len(own) :], strict=True))
        for name, value in (
            (f"{i}.weight", layer.weight.bfloat16().contiguous()),
            (f"{i}.bias", layer.bias),
            (f"{i}.seen", given),
        )
    }
    return tensors, dict(heads.state_dict())


class End(nn.Module):
    """An end that can learn: maps [b, 192, 7, 7] to vectors [b, 1280]."""

    def __init__(self, layers: Sequence[Convolution]) -> None:
        super().__init__()
        self._layers = tuple(layers)
        self.weights = nn.ParameterList(each.weight.clone() for each in layers)
        self.biases = nn.ParameterList(each.bias.clone() for each in layers)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features."""
        for layer, weight, bias in zip(self._layers, self.weights, self.biases, strict=True):
            x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=layer.groups)
            x = F.relu6(x) if layer.activation == "relu6" else x
        return x.mean((2, 3))

    def layers(self) -> list[Convolution]:
        """What it has learned, on the CPU."""
        learned = zip(self._layers, self.weights, self.biases, strict=True)
        return [each._replace(weight=w.detach().cpu(), bias=b.detach().cpu()) for each, w, b in learned]


def learn(
    packaged: Sequence[Convolution], maps: Tensor, truth: Tensor, plan: PhotoPlan, device: torch.device
) -> tuple[End, Apart]:
    """An end and heads from views of n photos, maps [views, n, 192, 7, 7] float16, and class indices [n]."""
    torch.manual_seed(plan.seed)
    first = nn.ModuleList((End(packaged), Apart(WIDTH, len(_LABELS)))).to(device)
    end, heads = first
    with torch.no_grad():
        vectors = torch.cat([end(part.to(device).float()) for part in maps[0].split(plan.batch)])  # type: ignore[no-untyped-call]
    cast("Apart", heads).fit(vectors, truth.to(device))
    rounds = [_round(copy.deepcopy(first), maps, truth, plan, device) for _ in range(plan.rounds)]
    first.load_state_dict({name: torch.stack([each[name] for each in rounds]).mean(0) for name in rounds[0]})
    return cast("End", end), cast("Apart", heads.cpu().eval())


def _round(
    both: nn.ModuleList, maps: Tensor, truth: Tensor, plan: PhotoPlan, device: torch.device
) -> dict[str, Tensor]:
    """Weights of an end and heads after photos in some order, each time one view of each, averaged as they moved."""
    end, heads = cast("tuple[End, Apart]", both.train())
    averaged = AveragedModel(both, multi_avg_fn=get_ema_multi_avg_fn(_KEPT))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(
        [{"params": end.parameters(), "weight_decay": 0.0}, {"params": heads.parameters(), "weight_decay": 0.1}],
        lr=plan.rate,
    )
    (views, count), labels = maps.shape[:2], len(_LABELS)
    steps = plan.epochs * -(-count // plan.batch)
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1, (i + 1) / _WARMING) * (1 - i / steps))
    shares = torch.distributions.Beta(plan.mix, plan.mix)
    target = F.one_hot(truth, labels) * (1 - _SMOOTHING) + _SMOOTHING / labels
    for _ in range(plan.epochs):
        for rows in torch.randperm(count).split(plan.batch):  # type: ignore[no-untyped-call]
            x, y = maps[torch.randint(views, (len(rows),)), rows].to(device).float(), target[rows].to(device)
            other, share = torch.randperm(len(rows)), float(shares.sample())
            x, y = (share * each + (1 - share) * each[other] for each in (x, y))
            loss = -(heads.members(end(x)).log_softmax(-1) * y).sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(end.parameters(), plan.clip)
            optimizer.step()
            pace.step()
            averaged.update_parameters(both)
    return averaged.module.state_dict()


def _maps(rows: Sequence[Row], run: Operation, device: torch.device, step: Step) -> Tensor:
    """What ends are given for photos, [2, n, 192, 7, 7] float16: as they are, and mirrored."""
    parts = []
    for start in range(0, len(rows), _AT_ONCE):
        seen = torch.stack([torch.from_numpy(pixels_of(row)) for row in rows[start : start + _AT_ONCE]]).to(device)
        with torch.inference_mode():
            parts.append(torch.stack([run(view).cpu().half() for view in (seen, seen.flip(2))]))
        step(len(seen))
    return torch.cat(parts, 1)
