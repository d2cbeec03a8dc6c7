"""Fine-tuning of the text encoder's transformer layers on what people said of tweets, several questions at once."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from model.data.rows import Row, classes
from model.encoders.clean import clean
from model.encoders.text import TextEncoder, buckets, cut, pad
from model.kernels.precision import fastest_dtype
from model.scorer import LABELS
from model.serving.bundle import part_of
from model.training.distil import distance

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

_COUNTS = {name: count for name, (_side, _concept, count) in TARGETS.items()}
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
    kept: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the layers it began with in those it ends with (Wortsman et al., 2022, arXiv:2109.01903).

    What these knew of posts that the rows do not show is lost the less.
    """
    teacher: Annotated[int, Field(ge=1, le=12)] | None = None
    """So many layers of the packaged encoder learn first, of the same rows, in half of ``minutes``; then these learn
    of them, too (:mod:`model.training.distil`)."""
    labels: Annotated[float, Field(ge=0)] = 0.4
    """How much people's labels count beside a teacher."""
    seed: int = 0

    def of_teacher(self) -> TextPlan:
        """How a teacher learns: once, from the package's layers, so at their rate."""
        return replace(self, members=1, rate=TextPlan().rate, kept=0.0, teacher=None)


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
        return self.answers(self.read(ids, lengths), source)

    def read(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Vectors [b, width], in training without a tenth of their entries."""
        return F.dropout(self.encoder(ids, lengths).float(), 0.1, self.training)

    def answers(self, vectors: Tensor, source: Tensor | None = None) -> dict[str, Tensor]:
        """The logits of :meth:`forward` for what was read."""
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
            with _fast(self.encoder.device):
                logits = self(*pad([rows[i] for i in chosen], self.encoder.device))
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
    teacher: TextTask | None = None,
) -> TextTask:
    """Train on rows, each of a text of its own, where the encoder is; word embeddings stay as they are.

    ``draw`` says which rows an epoch shows. The same seed and machine give the same weights, unless ``plan.minutes``
    cuts it short. ``step`` is told the share of the work that each training step did; in all it is 1. The plan's
    ``teacher`` learns first, where none is given that reads the same word pieces and knows the same sources.

    Raises:
        ValueError: there are no such layers to teach this encoder.
    """
    if plan.teacher and teacher is None:
        half = replace(plan, minutes=plan.minutes and plan.minutes / 2)
        larger = encoder.larger(plan.teacher)
        teacher = fine_tune(larger, rows, half.of_teacher(), lambda share: step(share / 2), draw).requires_grad_(False)
        larger.for_service()
        return fine_tune(encoder, rows, half, lambda share: step(share / 2), draw, teacher)
    torch.manual_seed(plan.seed)
    task = TextTask(encoder, sources_of(rows)).to(encoder.device)
    encoder.freeze(plan.frozen)
    start = copy.deepcopy(task.state_dict())
    runs = []
    for member in range(plan.members):
        task.load_state_dict(start)
        own = replace(plan, seed=plan.seed + member)
        _run(task, rows, own, lambda share: step(share / plan.members), draw, teacher)
        runs.append(copy.deepcopy(task.state_dict()))
    task.load_state_dict(averaged(runs, [1 / plan.members] * plan.members))
    layers = averaged([task.encoder.state_dict(), part_of(start, "encoder")], [1 - plan.kept, plan.kept])
    task.encoder.load_state_dict(layers)
    return task.eval()


def averaged(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """The mean of weights by ``shares``, which sum to 1: in float64, each tensor in the end of the type it had."""
    others = list(zip(shares, states, strict=True))[1:]

    def mean(name: str, first: Tensor) -> Tensor:
        away = [share * (state[name].double() - first.double()) for share, state in others]
        return torch.stack([first.double(), *away]).sum(0).to(first.dtype)

    return {name: mean(name, value) for name, value in states[0].items()}


def _run(task: TextTask, rows: Sequence[Row], plan: TextPlan, step: Step, draw: Draw, teacher: TextTask | None) -> None:
    """One run over distinct rows, from the weights that ``task`` has."""
    torch.manual_seed(plan.seed)
    device = task.encoder.device
    tokens = [cut(row, plan.longest) for row in task.encoder.tokens([row.text or "" for row in rows])]
    targets = {t: torch.tensor(classes([getattr(r, side) for r in rows], c)) for t, (side, c, _) in TARGETS.items()}
    weights = torch.tensor([1.0 if row.agreed else plan.disagreeing for row in rows])
    sources = torch.tensor([task.sources.get(row.source, 0) for row in rows])
    turn = nn.Parameter(torch.eye(task.encoder.width, device=device))  # from these vectors to the teacher's
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in task.encoder.parameters() if p.requires_grad], "lr": plan.rate},
            {"params": task.heads.parameters(), "lr": plan.head_rate},
            {"params": task.offsets.parameters(), "lr": 3 * plan.head_rate, "weight_decay": 0.0},
            {"params": [turn], "lr": plan.head_rate, "weight_decay": 0.0},
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
        shown, source = pad([tokens[i] for i in batch], device), sources[batch].to(device)
        with _fast(device):
            vectors = task.read(*shown)
            logits = task.answers(vectors, source)
        known = {t: y[batch].to(device) for t, y in targets.items()}
        loss = _loss(logits, known, weights[batch].to(device), plan.smoothing)
        if teacher:
            with _fast(device), torch.no_grad():
                theirs = teacher.read(*shown)
                taught = teacher.answers(theirs, source)
            loss = plan.labels * loss + distance(logits, vectors @ turn, taught, theirs, _COUNTS)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        step(fraction - done)
        done = fraction
    step(1 - done)


def _fast(device: torch.device) -> torch.autocast:
    """Products in bfloat16, where that is a device's fastest float."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fastest_dtype(device) is torch.bfloat16)


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
