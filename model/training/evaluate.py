"""How good a finished model is on posts it has not seen; every figure has a bootstrap interval by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.data.rows import LEARNED, Answers, Row, classes
from model.scorer import CONCEPTS, LABELS, ContextFacts, PostInput
from model.serving.fused import FusedScorer
from model.training.metrics import accuracy_of, by_group, interval, macro_f1_of, measure, rounded

_AT_ONCE = 64
SRI_LANKA = "srilanka_floods"
Figures = dict[str, Any]


def figures(probabilities: Tensor, truth: Tensor, groups: Sequence[int]) -> Figures:
    """All figures of labelled rows, with 95 % intervals of accuracy and macro-F1."""
    chosen, right = probabilities.argmax(1).numpy(), truth.numpy()
    samples = by_group(groups)
    return {
        **rounded(measure(probabilities, truth)),
        "accuracy_interval": interval(accuracy_of(chosen, right), samples),
        "f1_macro_interval": interval(macro_f1_of(chosen, right, probabilities.shape[1]), samples),
    }


def unified(rows: Sequence[Row], scorer: FusedScorer) -> Figures:
    """A shipped model on the ``test`` part of split_unified, which it never saw, through the face that serves."""
    tested = [row for row in rows if row.split == "test"]
    scored = _served(scorer, tested)
    kinds: dict[str, Callable[[Row], Answers]] = {
        "post": lambda row: row.of_post if row.text and row.image else row.of_text if row.text else row.of_image,
        "agreed": lambda row: row.agreed,
    }
    parts: dict[str, Callable[[Row], bool]] = {
        "all": lambda _: True,
        "with_image": lambda row: row.image is not None,
        "srilanka_pairs": lambda row: row.event == SRI_LANKA and row.image is not None,
    }
    return {
        f"{concept}.{kind}.{part}": result
        for concept in CONCEPTS
        for kind, label in kinds.items()
        for part, chosen in parts.items()
        if (result := labelled(scored[concept], tested, [label(r) if chosen(r) else {} for r in tested], concept))
    }


def unseen_events(rows: Sequence[Row], scorer: FusedScorer, each: int = 300) -> Figures:
    """A shipped model, by text alone, on messages of the events it never learned from, at most ``each`` a language.

    Intervals are by event where a language has several: messages of one event resemble each other more than those of
    the next disaster.
    """
    of: dict[str, list[Row]] = {}
    for row in sorted((r for r in rows if r.source and r.text and r.split == "test"), key=lambda row: row.group):
        of.setdefault(row.language or "en", []).append(row)
    found: Figures = {}
    for language, messages in sorted(of.items()):
        kept = messages[:: max(1, len(messages) // each)][:each]
        scored = _served(scorer, kept)
        events = list(dict.fromkeys(row.event for row in kept))
        grouped = kept if len(events) < 2 else [replace(row, group=events.index(row.event)) for row in kept]
        for concept in CONCEPTS:
            if result := labelled(scored[concept], grouped, [row.agreed for row in kept], concept):
                found[f"{language}.{concept}"] = {**result, "events": len(events)}
    return found


def formats(rows: Sequence[Row], exact: FusedScorer, served: FusedScorer, each: int = 300) -> Figures:
    """A model in the number format that it is served in beside float32, on held-out texts, photos and posts of both.

    By view and concept: the share of labels that are the same, and macro-F1 of both. Texts are at most ``each`` a
    language.
    """
    held = [row for row in rows if row.split in ("dev", "test")]
    views = {
        "text": [replace(row, image=None) for row in _few_a_language(held, each)],
        "photo": [replace(row, text=None, context=None) for row in held if row.image],
        "post": [row for row in held if row.text and row.image],
    }
    found: Figures = {}
    for view, shown in views.items():
        if not shown:
            continue
        one, other = (_served(scorer, shown) for scorer in (exact, served))
        answers = [row.answers(text=bool(row.text), image=row.image is not None) for row in shown]
        all_same = torch.ones(len(shown), dtype=torch.bool)
        for concept in CONCEPTS:
            there = one[concept][:, 0].isfinite()
            same = one[concept].argmax(1) == other[concept].argmax(1)
            all_same &= same | ~there
            if not there.any():
                continue
            truth = torch.tensor(classes(answers, concept))
            kept = (there & (truth >= 0)).nonzero().squeeze(1)
            f1 = [_macro_f1(table[concept][kept], truth[kept]) for table in (one, other)] if len(kept) else []
            found[f"{view}.{concept}"] = {"same": round(float(same[there].float().mean()), 4), "f1_macro": f1}
        found[f"{view}.all"] = {"n": len(shown), "same": round(float(all_same.float().mean()), 4)}
    return found


def _few_a_language(rows: Sequence[Row], each: int) -> list[Row]:
    of: dict[str, list[Row]] = {}
    for row in rows:
        if row.text:
            of.setdefault(row.language or "en", []).append(row)
    return [row for texts in of.values() for row in texts[:: max(1, len(texts) // each)][:each]]


def _macro_f1(probabilities: Tensor, truth: Tensor) -> float:
    figure = macro_f1_of(probabilities.argmax(1).numpy(), truth.numpy(), probabilities.shape[1])
    return round(figure(np.arange(len(truth))), 4)


def event_only(rows: Sequence[Row]) -> Figures:
    """What the event's name alone would score: the commonest label of each event's training posts."""
    found: Figures = {}
    for concept in ("informativeness", "humanitarian"):
        train = [row for row in rows if row.split == "train" and concept in row.agreed]
        common = {
            event: Counter(row.agreed[concept] for row in train if row.event == event).most_common(1)[0][0]
            for event in {row.event for row in train}
        }
        tested = [row for row in rows if row.split == "test" and concept in row.agreed and row.event in common]
        truth = torch.tensor(classes([row.agreed for row in tested], concept))
        guess = torch.tensor(classes([{concept: common[row.event]} for row in tested], concept))
        table = torch.nn.functional.one_hot(guess, len(LEARNED[concept])).float()
        found[concept] = figures(table, truth, [row.group for row in tested])
    return found


def _served(scorer: FusedScorer, rows: Sequence[Row]) -> dict[str, Tensor]:
    """Probabilities [n, K] of each published concept as the stream would get them; NaN where it gives no answer."""
    tables: dict[str, Tensor] = {
        concept: torch.full((len(rows), len(LABELS[concept])), torch.nan) for concept in CONCEPTS
    }
    for start in range(0, len(rows), _AT_ONCE):
        posts = [_input(scorer, row) for row in rows[start : start + _AT_ONCE]]
        for i, scored in enumerate(scorer.score(posts), start):
            for concept, answer in scored.labels.items():
                if answer.label is not None:
                    tables[concept][i] = torch.tensor([answer.probabilities[name] for name in LABELS[concept]])
    return tables


def _input(scorer: FusedScorer, row: Row) -> PostInput:
    if row.image is None:
        return PostInput(row.text or "", (), row.context or ContextFacts())
    with Image.open(row.image) as photo:
        return PostInput(row.text or "", (scorer.prepare(photo),), row.context or ContextFacts())


def labelled(table: Tensor, rows: Sequence[Row], answers: Sequence[Answers], concept: str) -> Figures | None:
    """Figures of probabilities [n, K] on the rows that have both an answer and a label; None where no row has."""
    truth = torch.tensor(classes(answers, concept))
    kept = ((truth >= 0) & table[:, 0].isfinite()).nonzero().squeeze(1)
    return figures(table[kept], truth[kept], [rows[int(i)].group for i in kept]) if len(kept) else None
