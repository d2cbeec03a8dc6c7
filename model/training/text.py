"""Fine-tuning of the text encoder's transformer layers on what people said of tweets, several questions at once."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.data.rows import Row, classes
from model.encoders.clean import clean
from model.encoders.text import TextEncoder, buckets, pad
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
    warm_up: float = 0.1
    disagreeing: float = 0.5
    """How much a tweet counts whose text and photo were judged differently."""
    frozen: int = 3
    """Lower layers that stay as they are: a third of the time saved, and what languages share lies low."""
    smoothing: float = 0.05
    seed: int = 0

    @property
    def passes(self) -> int:
        """How often each row is shown in all."""
        return self.members * self.epochs


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
            with torch.autocast("cpu", torch.bfloat16, enabled=fastest_dtype() is torch.bfloat16):
                logits = self(*pad([rows[i] for i in chosen]))
            for name, z in logits.items():
                out[name][chosen] = z.float()
        return out


def without_leaks(train: Sequence[Row], held_out: Sequence[Row]) -> list[Row]:
    """Training rows that share neither a group nor, cleaned and in lower case, a text with a held-out row."""
    groups = {row.group for row in held_out}
    texts = {clean(row.text or "").lower() for row in held_out}
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
    return sorted({row.source for row in rows} - {""})


def fine_tune(
    encoder: TextEncoder, rows: Sequence[Row], plan: TextPlan, step: Callable[[int], None] = lambda _: None
) -> TextTask:
    """Train on rows with a text; word embeddings stay as they are. The same seed and machine give the same weights.

    ``step`` is told how many rows each training step took; in all there are ``plan.passes`` a row.
    """
    torch.manual_seed(plan.seed)
    task = TextTask(encoder, sources_of(rows))
    encoder.freeze(plan.frozen)
    start = copy.deepcopy(task.state_dict())
    total: dict[str, Tensor] = {}
    for member in range(plan.members):
        task.load_state_dict(start)
        _run(task, distinct(rows), replace(plan, seed=plan.seed + member), step)
        for name, value in task.state_dict().items():
            share = value.double() / plan.members
            total[name] = total[name] + share if name in total else share
    task.load_state_dict({name: value.to(start[name].dtype) for name, value in total.items()})
    return task.eval()


def _run(task: TextTask, rows: Sequence[Row], plan: TextPlan, step: Callable[[int], None]) -> None:
    """One run over distinct rows, from the weights that ``task`` has."""
    torch.manual_seed(plan.seed)
    tokens = task.encoder.tokens([row.text or "" for row in rows])
    targets = {t: torch.tensor(classes([getattr(r, side) for r in rows], c)) for t, (side, c, _) in TARGETS.items()}
    weights = torch.tensor([1.0 if row.agreed else plan.disagreeing for row in rows])
    sources = torch.tensor([task.sources.get(row.source, 0) for row in rows])
    seeds = [plan.seed * plan.epochs + epoch for epoch in range(plan.epochs)]
    batches = [batch for seed in seeds for batch in _batches([len(t) for t in tokens], plan.batch, seed)]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in task.encoder.parameters() if p.requires_grad], "lr": plan.rate},
            {"params": task.heads.parameters(), "lr": plan.head_rate},
            {"params": task.offsets.parameters(), "lr": 3 * plan.head_rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
    rises = max(1, int(plan.warm_up * len(batches)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min((i + 1) / rises, (len(batches) - i) / max(1, len(batches) - rises))
    )
    task.train()
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=fastest_dtype() is torch.bfloat16):
            logits = task(*pad([tokens[i] for i in batch]), sources[batch])
        loss = _loss(logits, {t: y[batch] for t, y in targets.items()}, weights[batch], plan.smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        step(len(batch))


def _loss(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Tensor, smoothing: float) -> Tensor:
    total = weights.new_zeros(())
    for name, z in logits.items():
        each = F.cross_entropy(z.float(), targets[name], reduction="none", ignore_index=-1, label_smoothing=smoothing)
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
