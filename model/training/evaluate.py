"""How good a model is, by four protocols; every figure comes with its command and a bootstrap interval by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from model.calibration import Calibration
from model.data.rows import LEARNED, Answers, Row, classes
from model.encoders.context import ContextEncoder
from model.encoders.text import TextEncoder
from model.fused import FusedScorer
from model.scorer import CONCEPTS, LABELS, ContextFacts, PostInput
from model.training.fusion import logits_of
from model.training.metrics import accuracy_of, by_group, interval, macro_f1_of, measure, rounded
from model.training.text import TextPlan, distinct, fine_tune, without_leaks
from model.training.train import Recipe, encode, learn_fusion, progress
from model.training.vectors import Vectors

FOLDS = 5
_AT_ONCE = 64
SRI_LANKA = "srilanka_floods"
VIEWS = {"fusion": (True, True, True), "text": (True, False, True), "image": (False, True, False)}
"""What each network is shown of text, image and context; context goes with the text."""
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


def official(rows: Sequence[Row], recipe: Recipe) -> Figures:
    """Text alone on the official agreed-label splits: text layers trained anew for each, leaks left out.

    The answers of ``test_calibrated`` are calibrated on ``dev``, as those of a shipped model are; nothing is chosen on
    the test part.
    """
    found: Figures = {}
    posts = [row for row in rows if row.text]
    with progress() as bar:
        for concept in ("informativeness", "humanitarian"):
            held = [row for row in posts if row.official.get(concept) in ("dev", "test")]
            candidates = [row for row in posts if row.official.get(concept) not in ("dev", "test")]
            learning = distinct(without_leaks(candidates, held))
            plan = recipe.text or TextPlan()
            doing = bar.add_task(f"text layers, {concept}", total=len(learning) * plan.passes)
            task = fine_tune(TextEncoder.load(recipe.text_model), learning, plan, lambda n, d=doing: bar.advance(d, n))  # type: ignore[misc]
            logits: dict[str, Tensor] = {}
            truth: dict[str, Tensor] = {}
            groups: dict[str, list[int]] = {}
            for part in ("dev", "test"):
                judged = [row for row in held if row.official[concept] == part]
                logits[part] = task.predict([row.text or "" for row in judged])[concept]
                truth[part] = torch.tensor(classes([row.agreed for row in judged], concept))
                groups[part] = [row.group for row in judged]
                found[f"{concept}.{part}"] = figures(logits[part].softmax(1), truth[part], groups[part])
            calibrated = _calibrated(concept, logits["dev"], truth["dev"], logits["test"])
            found[f"{concept}.test_calibrated"] = figures(calibrated, truth["test"], groups["test"])
    return found


def _calibrated(concept: str, dev: Tensor, truth: Tensor, test: Tensor) -> Tensor:
    """Probabilities of ``test`` logits [n, K] by a calibration fitted on ``dev`` logits."""
    calibration = Calibration({concept: dev.shape[1]})
    calibration.fit({concept: dev}, {concept: truth}, torch.zeros(len(dev), dtype=torch.bool))
    calibration.requires_grad_(False)
    calibrated: Mapping[str, Tensor] = calibration({concept: test}, torch.zeros(len(test), dtype=torch.bool))
    return calibrated[concept]


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
        if (result := _labelled(scored[concept], tested, [label(r) if chosen(r) else {} for r in tested], concept))
    }


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


def leave_one_out(rows: Sequence[Row], recipe: Recipe) -> Figures:
    """Each event judged by a model that learned from the other events only (photos of AIDR and DMD always stay)."""
    found: Figures = {}
    events = sorted({row.event for row in rows if row.text})
    for event in events:
        tested = [row for row in rows if row.event == event and row.text]
        others = without_leaks([row for row in rows if row.event != event], tested)
        text = _text_without(others, recipe)
        learned = [*others, *(replace(row, split="held") for row in tested)]
        vectors, context = encode(text, learned)
        trained = learn_fusion(vectors, learned, recipe, context)
        held = vectors.take(range(len(others), len(learned)))
        probabilities = trained.calibration(logits_of(trained.network, held), held.mask[:, 1])
        for concept in ("informativeness", "humanitarian"):
            result = _labelled(probabilities[concept], tested, [row.agreed for row in tested], concept)
            if result:
                found[f"{event}.{concept}"] = result
    return found


def srilanka(rows: Sequence[Row], recipe: Recipe) -> Figures:
    """Sri Lanka pairs, 5 folds by group: fusion against networks that learn from text or photos alone, folds pooled.

    Text layers come from the other events; each fold's networks learn from all other rows and four folds of pairs, of
    which every eighth group stops and calibrates them. All three learn and answer the same question of a pair:
    ``image_info`` (the reference's label), or whether either part is informative; the latter are judged on agreed
    labels too.
    """
    pairs = [row for row in rows if row.event == SRI_LANKA and row.text and row.image]
    others = without_leaks([row for row in rows if row.event != SRI_LANKA], pairs)
    vectors, context = encode(_text_without(others, recipe), [*others, *pairs])
    return srilanka_folds(vectors, [*others, *pairs], len(others), recipe, context)


def srilanka_folds(
    vectors: Vectors, rows: Sequence[Row], first: int, recipe: Recipe, context: ContextEncoder
) -> Figures:
    """:func:`srilanka` on encoded rows, the pairs being those from index ``first`` on."""
    pairs, found = rows[first:], Figures()
    questions = {"image_info": [row.of_image for row in pairs], "either": [row.of_post for row in pairs]}
    with progress() as bar:
        doing = bar.add_task("folds", total=len(questions) * len(VIEWS) * FOLDS)
        for question, answers in questions.items():
            asked = vectors.relabelled("informativeness", first, torch.tensor(classes(answers, "informativeness")))
            pooled = {}
            for view, shown in VIEWS.items():
                pooled[view] = _folds(asked.shown(shown), rows, first, recipe, context, lambda: bar.advance(doing))
            judged = {question: answers, **({"agreed": [row.agreed for row in pairs]} if question == "either" else {})}
            found |= compare(pooled, pairs, judged)
    return found


def _folds(
    vectors: Vectors,
    rows: Sequence[Row],
    first: int,
    recipe: Recipe,
    context: ContextEncoder,
    step: Callable[[], None],
) -> Tensor:
    """Informativeness [pairs, 2], each fold's from a network that never saw it."""
    pairs = rows[first:]
    order = {group: i for i, group in enumerate(_shuffled({row.group for row in pairs}))}
    pooled = torch.zeros(len(pairs), len(LABELS["informativeness"]))
    there = vectors.mask[:, :2].any(1).nonzero().squeeze(1).tolist()
    for fold in range(FOLDS):
        splits = [_fold_split(order[row.group], fold) for row in pairs]
        marked = [*rows[:first], *(replace(row, split=s) for row, s in zip(pairs, splits, strict=True))]
        trained = learn_fusion(vectors.take(there), [marked[i] for i in there], recipe, context)
        tested = [i for i, s in enumerate(splits) if s == "held"]
        held = vectors.take([first + i for i in tested])
        logits = logits_of(trained.network, held)
        pooled[tested] = trained.calibration(logits, held.mask[:, 1])["informativeness"]
        step()
    return pooled


def compare(pooled: Mapping[str, Tensor], pairs: Sequence[Row], labels: Mapping[str, Sequence[Answers]]) -> Figures:
    """Figures of each view on each label, and fusion's gain over the better single modality with its interval."""
    found: Figures = {}
    for name, answers in labels.items():
        truth = torch.tensor(classes(answers, "informativeness"))
        rows = (truth >= 0).nonzero().squeeze(1)
        groups, right = [pairs[int(i)].group for i in rows], truth[rows].numpy()
        samples = by_group(groups)
        chosen = {view: table[rows].argmax(1).numpy() for view, table in pooled.items()}
        for view, table in pooled.items():
            found[f"{name}.{view}"] = figures(table[rows], truth[rows], groups)
        for figure, of in (("accuracy", accuracy_of), ("f1_macro", lambda c, t: macro_f1_of(c, t, 2))):
            better = max(("text", "image"), key=lambda view: found[f"{name}.{view}"][figure])
            high, low = of(chosen["fusion"], right), of(chosen[better], right)
            gain = found[f"{name}.fusion"][figure] - found[f"{name}.{better}"][figure]
            span = interval(lambda s, h=high, w=low: h(s) - w(s), samples)  # type: ignore[misc]
            found[f"{name}.gain_{figure}"] = {"over": better, "gain": round(gain, 4), "interval": span}
    return found


def _fold_split(place: int, fold: int) -> str:
    if place % FOLDS == fold:
        return "held"
    return "dev" if (place // FOLDS) % 8 == 0 else "train"


def _shuffled(groups: set[int]) -> list[int]:
    ordered = sorted(groups)
    return [ordered[i] for i in torch.randperm(len(ordered), generator=torch.Generator().manual_seed(0)).tolist()]


def _text_without(learning: Sequence[Row], recipe: Recipe) -> TextEncoder:
    encoder = TextEncoder.load(recipe.text_model)
    if recipe.text:
        chosen = distinct([row for row in learning if row.split != "dev"])
        with progress() as bar:
            doing = bar.add_task("text layers", total=len(chosen) * recipe.text.passes)
            fine_tune(encoder, chosen, recipe.text, lambda n: bar.advance(doing, n))
    return encoder


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


def _labelled(table: Tensor, rows: Sequence[Row], answers: Sequence[Answers], concept: str) -> Figures | None:
    truth = torch.tensor(classes(answers, concept))
    kept = ((truth >= 0) & table[:, 0].isfinite()).nonzero().squeeze(1)
    return figures(table[kept], truth[kept], [rows[int(i)].group for i in kept]) if len(kept) else None
