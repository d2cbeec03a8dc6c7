"""Fine-tuning of the text encoder's transformer layers on what people said of tweets, several questions at once."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.data.rows import Row, classes
from model.encoders.clean import clean
from model.encoders.text import TextEncoder, buckets, cut, pad
from model.kernels.precision import fastest_dtype
from model.scorer import LABELS

TARGETS: Mapping[str, tuple[str, str, float]] = {
    "informativeness": ("agreed", "informativeness", 1.0),
    "humanitarian": ("agreed", "humanitarian", 1.0),
    "text_informativeness": ("of_text", "informativeness", 0.5),
    "text_humanitarian": ("of_text", "humanitarian", 0.5),
    "request": ("agreed", "request", 1.0),
    "photo_informativeness": ("of_image", "informativeness", 0.3),
    "photo_humanitarian": ("of_image", "humanitarian", 0.3),
}
"""Heads: the side of a row that is asked, the concept, and how much the answer counts.

The first two are what papers are judged on, ``request`` is a head of its own, the others help."""

MISSED = 2.0
"""How much graver a missed request for help is than a false one."""
Draw = Callable[[Sequence[Row], int], list[int]]
"""Which rows an epoch shows, as indices of rows that may repeat, given a seed."""
Step = Callable[[float], None]
"""Told how much more of the work is done; in all 1."""

_CHUNK = 20
"""Batches shuffled together before they are sorted by length."""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """How to fine-tune: ``members`` runs from one start, in other orders and with other dropout, weights averaged.

    A uniform model soup: Wortsman et al., 2022, arXiv:2203.05482. It serves at the cost of one model.
    """

    members: int = 2
    epochs: int = 1
    batch: int = 32
    rate: float = 2e-4
    head_rate: float = 1.5e-3
    warm_up: float = 0.06
    disagreeing: float = 0.5
    """How much a tweet counts whose text and photo were judged differently."""
    frozen: int = 3
    """Lower layers that stay as they are: a third of the time saved, and what languages share lies low."""
    smoothing: float = 0.03
    longest: int = 48
    """Word pieces of a text that are learned from; half of what is read in service, at half the time."""
    minutes: float | None = None
    """At most so long in all, however few rows that shows."""
    seed: int = 0


class TextTask(nn.Module):
    """The encoder with a linear head a target, and in training an offset a source.

    Sources mean different things by one label ("informative" of CrisisLexT26 is wider than CrisisMMD's). What a source
    says more often than others its offset learns [1 + sources, K]; row 0, the reference's, is 0 and serves.
    """

    def __init__(self, encoder: TextEncoder, sources: Sequence[str] = ()) -> None:
        super().__init__()
        self.encoder = encoder
        self.sources = {name: 1 + place for place, name in enumerate(sources)}
        self.heads = nn.ModuleDict({t: nn.Linear(encoder.width, len(LABELS[c])) for t, (_, c, _w) in TARGETS.items()})  # type: ignore[index]

        self.offsets = nn.ParameterDict(
            {t: nn.Parameter(torch.zeros(1 + len(sources), len(LABELS[c]))) for t, (_, c, _w) in TARGETS.items()}  # type: ignore[index]
        )

    def forward(self, ids: Tensor, lengths: Tensor, source: Tensor | None = None) -> dict[str, Tensor]:
        """Logits [b, K] of each target as their ``source`` [b] would judge; as the reference would when None."""
        vectors = F.dropout(self.encoder(ids, lengths).float(), 0.1, self.training)
        logits: dict[str, Tensor] = {name: head(vectors) for name, head in self.heads.items()}
        if source is None:
            return logits
        other = (source > 0).unsqueeze(1)
        return {name: z + torch.where(other, self.offsets[name][source], 0.0) for name, z in logits.items()}

    @torch.no_grad()
    def predict(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Logits [n, K] of each target, in the order of ``texts``."""
        self.eval()
        rows = self.encoder.tokens(texts)
        out = {name: torch.empty(len(rows), len(LABELS[c])) for name, (_, c, _w) in TARGETS.items()}  # type: ignore[index]
        for chosen in buckets([len(row) for row in rows]):
            device = self.encoder.device
            with torch.autocast(device.type, torch.bfloat16, enabled=fastest_dtype(device) is torch.bfloat16):
                logits = self(*pad([rows[i] for i in chosen], device))
            for name, z in logits.items():
                out[name][chosen] = z.float().cpu()
        return out


def without_leaks(train: Sequence[Row], held_out: Sequence[Row]) -> list[Row]:
    """Training rows that share neither a group nor, cleaned and in lower case, a text with a held-out row."""
    groups = {row.group for row in held_out}
    texts = {clean(row.text or "").lower() for row in held_out} - {""}
    return [row for row in train if row.group not in groups and clean(row.text or "").lower() not in texts]


def distinct(rows: Sequence[Row]) -> list[Row]:
    """Rows with a text, each text once; where copies differ, one whose text and photo were judged alike."""
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: not row.agreed):
        if row.text and (text := clean(row.text).lower()):
            kept.setdefault(text, row)
    return list(kept.values())


def sources_of(rows: Sequence[Row]) -> list[str]:
    """Names of the sources beside the reference, in order."""
    return sorted({row.source for row in rows if row.text} - {""})


def each_once(rows: Sequence[Row], seed: int) -> list[int]:  # noqa: ARG001 - an epoch is drawn by its seed
    """The plain epoch: every row once."""
    return list(range(len(rows)))


def fine_tune(
    encoder: TextEncoder,
    rows: Sequence[Row],
    plan: TextPlan,
    step: Step = lambda _: None,
    draw: Draw = each_once,
) -> TextTask:
    """Train on rows, each of a text of its own, where the encoder is; word embeddings stay as they are.

    ``draw`` says which rows an epoch shows. The same seed and machine give the same weights, unless ``plan.minutes``
    cuts it short. ``step`` is told the share of the work that each training step did; in all it is 1.
    """
    torch.manual_seed(plan.seed)
    task = TextTask(encoder, sources_of(rows)).to(encoder.device)
    encoder.freeze(plan.frozen)
    start = copy.deepcopy(task.state_dict())
    total: dict[str, Tensor] = {}
    for member in range(plan.members):
        task.load_state_dict(start)
        _run(task, rows, replace(plan, seed=plan.seed + member), lambda share: step(share / plan.members), draw)
        for name, value in task.state_dict().items():
            share = value.double() / plan.members
            total[name] = total[name] + share if name in total else share
    task.load_state_dict({name: value.to(start[name].dtype) for name, value in total.items()})
    return task.eval()


def _run(task: TextTask, rows: Sequence[Row], plan: TextPlan, step: Step, draw: Draw) -> None:
    """One run over distinct rows, from the weights that ``task`` has."""
    torch.manual_seed(plan.seed)
    device = task.encoder.device
    tokens = [cut(row, plan.longest) for row in task.encoder.tokens([row.text or "" for row in rows])]
    targets = {t: torch.tensor(classes([getattr(r, side) for r in rows], c)) for t, (side, c, _) in TARGETS.items()}
    weights = torch.tensor([1.0 if row.agreed else plan.disagreeing for row in rows])
    sources = torch.tensor([task.sources.get(row.source, 0) for row in rows])
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in task.encoder.parameters() if p.requires_grad], "lr": plan.rate},
            {"params": task.heads.parameters(), "lr": plan.head_rate},
            {"params": task.offsets.parameters(), "lr": 3 * plan.head_rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    batches = _all_batches(tokens, rows, plan, draw)
    limit = 60 * plan.minutes / plan.members if plan.minutes else math.inf
    began, done = time.monotonic(), 0.0
    task.train()
    for number, batch in enumerate(batches):
        fraction = max(number / len(batches), (time.monotonic() - began) / limit)
        if fraction >= 1:
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * pace(fraction, plan.warm_up)
        with torch.autocast(device.type, torch.bfloat16, enabled=fastest_dtype(device) is torch.bfloat16):
            logits = task(*pad([tokens[i] for i in batch], device), sources[batch].to(device))
        known = {t: y[batch].to(device) for t, y in targets.items()}
        loss = _loss(logits, known, weights[batch].to(device), plan.smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        step(fraction - done)
        done = fraction
    step(1 - done)


def pace(done: float, warm_up: float) -> float:
    """The rate's factor when a share ``done`` of a run is behind: up over ``warm_up``, then down to 0 in a line."""
    return max(0.01, min(done / warm_up if warm_up else 1.0, (1 - done) / (1 - warm_up)))


def _all_batches(tokens: Sequence[Sequence[int]], rows: Sequence[Row], plan: TextPlan, draw: Draw) -> list[list[int]]:
    """The batches of every epoch, one epoch after the other, as indices of ``rows``."""
    found = []
    for epoch in range(plan.epochs):
        seed = plan.seed * plan.epochs + epoch
        shown = draw(rows, seed)
        found += [[shown[i] for i in batch] for batch in _batches([len(tokens[i]) for i in shown], plan.batch, seed)]
    return found


def _loss(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Tensor, smoothing: float) -> Tensor:
    total = weights.new_zeros(())
    for name, z in logits.items():
        grave = z.new_tensor([1.0, MISSED], dtype=torch.float32) if TARGETS[name][1] == "request" else None
        each = F.cross_entropy(
            z.float(), targets[name], grave, reduction="none", ignore_index=-1, label_smoothing=smoothing
        )
        total = total + TARGETS[name][2] * (each * weights).mean()
    return total


def _batches(lengths: Sequence[int], size: int, seed: int) -> list[list[int]]:
    """A random order in batches of like length."""
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), size * _CHUNK):
        chunk = sorted(order[start : start + size * _CHUNK], key=lambda i: lengths[i])
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    rng.shuffle(batches)
    return batches
