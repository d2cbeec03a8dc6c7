"""What the text heads say of rows, and last layers that are fitted anew to it and to people's labels.

A fusion learns all concepts at once, by losses that are weighed against each other, and of the messages it sees a
sample. On the features it ends with, the last layer of one concept is a convex problem that takes seconds (Kang et al.,
2020, arXiv:1910.09217), and the text heads, which saw all messages, have a say in what is right (Hinton et al., 2015,
arXiv:1503.02531).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.data.rows import Row
from model.data.sentences import EVENT as SENTENCES
from model.network import FusionNetwork
from model.serving.calibration import Calibration
from model.training.fusion import FusionPlan, logits_of
from model.training.text import MISSED
from model.training.vectors import Vectors

CONCEPTS = ("informativeness", "humanitarian", "request")
"""Those that texts answer: each has a text head of its name."""
Heads = Mapping[str, Tensor]
"""Weights of the text task's heads, ``TARGET.weight`` [K, width] and ``TARGET.bias`` [K]; empty where none learned."""
RARE = 2.0
"""How much a row counts beside an English message of another source or a photo without its post: those are plenty."""
_STEPS = 50


def said(vectors: Vectors, heads: Heads) -> dict[str, Tensor]:
    """Probabilities [n, K] of each of ``CONCEPTS`` by the text heads."""
    text = vectors.values["text"]
    return {c: (text @ heads[f"{c}.weight"].T + heads[f"{c}.bias"]).softmax(1) for c in CONCEPTS}


def agreeing(vectors: Vectors, rows: Sequence[Row], heads: Heads) -> Vectors:
    """The rows, ``train``'s without those labels of other sources' messages that the reference's heads do not share.

    Labels differ between sources; the heads learned with an offset for each, and answer here without.
    """
    other = torch.tensor([bool(row.source and row.text and row.split == "train") for row in rows])
    if not heads or not other.any():
        return vectors
    of_text, of_post = dict(vectors.of_text), dict(vectors.of_post)
    for concept, table in said(vectors, heads).items():
        for side in (of_text, of_post):
            side[concept] = torch.where(other & (table.argmax(1) != side[concept]), -1, side[concept])
    return replace(vectors, of_text=of_text, of_post=of_post)


def refitted(
    network: FusionNetwork, vectors: Vectors, rows: Sequence[Row], heads: Heads, plan: FusionPlan
) -> FusionNetwork:
    """A copy of ``network`` with new last layers of ``CONCEPTS``; every other weight is the same.

    Posts with text and photo are seen whole and by each side alone. Of a text alone ``plan.refit`` of what is right is
    what the text heads say, all of it where nobody judged; but not of our own sentences, and a request for help is what
    people call so. Without heads it is people's labels alone.
    """
    index, seen = vectors.views()
    own = torch.tensor([row.event == SENTENCES for row in rows])[index]
    plenty = torch.tensor([bool(row.source) and row.language in ("en", None) for row in rows])[index]
    weights = torch.where(own | plenty, 1.0, RARE)
    hears = seen.mask[:, 0] & ~seen.mask[:, 1] & ~own
    labels, heard = seen.labels(seen.mask), said(seen, heads) if heads else {}
    new = copy.deepcopy(network)
    inputs = _inputs(new, seen)
    for concept, layer in _last(new).items():
        truth, count = labels[concept], len(network.config.concepts[concept])
        request = concept == "request"
        share = 0.0 if request else plan.refit or 0.0
        right = targets(truth, count, heard.get(concept), hears, share)
        graver = torch.where(truth == 1, MISSED, 1.0) if request else torch.ones(len(truth))
        fit_last(layer, inputs[concept], right, weights * graver, plan.pull)
    return new


def targets(truth: Tensor, labels: int, heard: Tensor | None, hears: Tensor, share: float) -> Tensor:
    """What is right of n rows as distributions [n, labels], zeros where nothing is known.

    ``truth`` [n] has class indices, -1 where nobody judged. Where ``hears`` [n], ``share`` of it is what was ``heard``
    [n, labels], and all of it where nobody judged.
    """
    judged = (truth >= 0).unsqueeze(1)
    people = F.one_hot(truth.clamp(min=0), labels) * judged
    if heard is None:
        return people.float()
    part = torch.where(judged, share, 1.0) * hears.unsqueeze(1)
    return part * heard + (1 - part) * people


def fit_last(layer: nn.Linear, inputs: Tensor, right: Tensor, weights: Tensor, pull: float) -> None:
    """Fit ``layer`` [K or 1, d] in place: its softmax of ``inputs`` [n, d] to distributions ``right`` [n, K].

    The least mean cross-entropy of rows by ``weights`` [n], plus ``pull`` times the squared distance to the weights it
    had. Rows of zeros take no part, and one column z stands for the two scores [0, z].
    """
    known = right.sum(1) > 0
    if not known.any():
        return
    x, y, w = inputs[known], right[known], weights[known] / weights[known].sum()
    before = layer.weight.detach().clone()
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        z = layer(x)
        z = F.pad(z, (1, 0)) if z.shape[1] == 1 else z
        value: Tensor = F.cross_entropy(z, y, reduction="none") @ w + pull * (layer.weight - before).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]


@torch.no_grad()
def surprise(network: FusionNetwork, calibration: Calibration, rows: Vectors) -> float:
    """The mean over ``CONCEPTS`` of minus the logarithm of the probability of what people said; 0 without labels."""
    answers, labels = calibration(logits_of(network, rows), rows.mask), rows.labels(rows.mask)
    judged = [c for c in CONCEPTS if (labels[c] >= 0).any()]
    losses = [float(F.nll_loss(answers[c].log(), labels[c], ignore_index=-1)) for c in judged]
    return sum(losses) / max(1, len(losses))


def _last(network: FusionNetwork) -> dict[str, nn.Linear]:
    """The last layer of each of ``CONCEPTS``."""
    heads: Any = getattr(network.heads, "last", network.heads)
    return {concept: cast("nn.Linear", heads[concept]) for concept in CONCEPTS}


def _inputs(network: FusionNetwork, rows: Vectors) -> dict[str, Tensor]:
    """What each last layer is given for all rows, [n, d]."""
    found: dict[str, list[Tensor]] = {concept: [] for concept in CONCEPTS}

    def kept(concept: str) -> Any:
        return lambda _, given: found[concept].append(given[0].cpu())

    hooks = [layer.register_forward_pre_hook(kept(concept)) for concept, layer in _last(network).items()]
    logits_of(network, rows)
    for hook in hooks:
        hook.remove()
    return {concept: torch.cat(parts) for concept, parts in found.items()}
