"""Protocols that train models of their own: official splits, Sri Lanka, an event or a source of messages left out.

``work`` is a folder for the text layers, which take nearly all the time: what is there already is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.data.rows import Answers, Row, classes
from model.encoders.image import ImageEncoder
from model.encoders.text import TextEncoder
from model.scorer import LABELS
from model.serving.bundle import Bundle
from model.serving.calibration import Calibration
from model.training.evaluate import SRI_LANKA, Figures, figures, labelled
from model.training.fusion import fit, logits_of
from model.training.metrics import accuracy_of, by_group, interval, macro_f1_of
from model.training.mix import epoch
from model.training.text import TextPlan, TextTask, distinct, each_once, fine_tune, sources_of, without_leaks
from model.training.train import Recipe, calibrated, encode, learn_fusion, progress
from model.training.vectors import Vectors, encode_images

FOLDS = 5
SEEN = 10
"""One group of so many is held back of the events that are learned."""
VIEWS = {"fusion": (True, True, True), "text": (True, False, True), "image": (False, True, False)}
"""What each network is shown of text, image and context; context goes with the text."""


def official(rows: Sequence[Row], recipe: Recipe, work: Path | None = None, start: Bundle | None = None) -> Figures:
    """Text alone on the official agreed-label splits: text layers trained for each, leaks left out.

    They begin with the package's, or with those of ``start``, a model that learned no post of the official test parts
    (:func:`model.training.mix.held_apart`) but did learn posts of ``dev``: those are not asked then. The answers of
    ``test_calibrated`` are calibrated on ``dev``, as those of a shipped model are; nothing is chosen on the test part.
    """
    found: Figures = {}
    posts = [row for row in rows if row.text]
    for concept in ("informativeness", "humanitarian"):
        held = [row for row in posts if row.official.get(concept) in ("dev", "test")]
        candidates = [row for row in posts if row.official.get(concept) not in ("dev", "test")]
        task = _tuned(concept, without_leaks(candidates, held), recipe, work, start)
        logits: dict[str, Tensor] = {}
        truth: dict[str, Tensor] = {}
        groups: dict[str, list[int]] = {}
        for part in ("dev", "test"):
            judged = [row for row in held if row.official[concept] == part]
            if start and part == "dev":
                judged = [row for row in judged if row.split != "train"]
            logits[part] = task.predict([row.text or "" for row in judged])[concept]
            truth[part] = torch.tensor(classes([row.agreed for row in judged], concept))
            groups[part] = [row.group for row in judged]
            found[f"{concept}.{part}"] = figures(logits[part].softmax(1), truth[part], groups[part])
        mended = _calibrated(concept, logits["dev"], truth["dev"], logits["test"])
        found[f"{concept}.test_calibrated"] = figures(mended, truth["test"], groups["test"])
    return found


def _calibrated(concept: str, dev: Tensor, truth: Tensor, test: Tensor) -> Tensor:
    """Probabilities of ``test`` logits [n, K] by a calibration fitted on ``dev`` logits."""
    calibration = Calibration({concept: dev.shape[1]})
    calibration.fit({concept: dev}, {concept: truth}, torch.zeros(len(dev), 3, dtype=torch.bool))
    calibration.requires_grad_(False)
    calibrated: Mapping[str, Tensor] = calibration({concept: test}, torch.zeros(len(test), 3, dtype=torch.bool))
    return calibrated[concept]


def leave_one_out(rows: Sequence[Row], recipe: Recipe, work: Path | None = None) -> Figures:
    """Each event judged by a model that learned from the other events only (photos of AIDR and DMD always stay)."""
    found: Figures = {}
    pixels = dict(zip((row.key for row in rows), encode_images(ImageEncoder.load(), rows), strict=True))
    for event in sorted({row.event for row in rows if row.text}):
        tested = [row for row in rows if row.event == event and row.text]
        others = without_leaks([row for row in rows if row.event != event], tested)
        learned = [*others, *(replace(row, split="held") for row in tested)]
        text = _text_without(others, recipe, event, work)
        vectors, context = encode(text, learned, pixels=torch.stack([pixels[row.key] for row in learned]))
        trained = learn_fusion(vectors, learned, recipe, context)
        held = vectors.take(range(len(others), len(learned)))
        probabilities = trained.calibration(logits_of(trained.network, held), held.mask)
        for concept in ("informativeness", "humanitarian"):
            result = labelled(probabilities[concept], tested, [row.agreed for row in tested], concept)
            if result:
                found[f"{event}.{concept}"] = result
    return found


def leave_one_source_out(
    rows: Sequence[Row], recipe: Recipe, work: Path | None = None, only: Sequence[str] = ()
) -> Figures:
    """Each source of messages, or ``only`` these, judged by text alone by a model that learned from the others.

    ``seen`` is what the same model makes of the other sources: of each of their events a tenth of the messages, which
    it did not learn either. The gap between both is what a new event of a new source costs; macro-F1 is over the
    classes that occur.

    Raises:
        ValueError: there are no messages of a source in ``only``.
    """
    messages = [row for row in rows if row.text and row.source]
    known = sources_of(messages)
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"no message is of the source {unknown[0]!r}; there are {', '.join(known)}")
    found: Figures = {}
    for source in only or known:
        parts = {"unseen": [r for r in messages if r.source == source], "seen": seen_messages(messages, source)}
        held = [*parts["unseen"], *parts["seen"]]
        others = [r for r in rows if r.text and r.split == "train" and r.source != source]
        task = _tuned(f"without-{source.split(' ')[0].replace('/', '-')}", without_leaks(others, held), recipe, work)
        for part, judged in parts.items():
            logits = task.predict([row.text or "" for row in judged])
            for concept in ("informativeness", "humanitarian", "request"):
                result = labelled(logits[concept].softmax(1), judged, [row.agreed for row in judged], concept)
                if result:
                    found[f"{source}.{concept}.{part}"] = result
    return {**found, **gaps(found)}


def seen_messages(messages: Sequence[Row], left_out: str) -> list[Row]:
    """A tenth of the other sources' training messages, by group: held back of events that are learned."""
    return [row for row in messages if row.source != left_out and row.split == "train" and row.group % SEEN == 0]


def gaps(found: Mapping[str, Figures]) -> Figures:
    """Macro-F1 of what was seen less that of what was not, by source and concept."""
    pairs = {name.removesuffix(".unseen"): figures for name, figures in found.items() if name.endswith(".unseen")}
    return {
        f"{name}.gap": round(found[f"{name}.seen"]["f1_macro"] - figures["f1_macro"], 4)
        for name, figures in pairs.items()
        if f"{name}.seen" in found
    }


def srilanka(rows: Sequence[Row], recipe: Recipe, work: Path | None = None) -> Figures:
    """Sri Lanka pairs, 5 folds by group: fusion against networks that learn from text or photos alone, folds pooled.

    Text layers come from the other events. A fold's network learns from four folds of pairs, of which every eighth
    group stops and calibrates it. All three learn and answer the same question of a pair: ``image_info`` (the
    reference's label), or whether either part is informative; the latter are judged on agreed labels too.
    """
    pairs = [row for row in rows if row.event == SRI_LANKA and row.text and row.image]
    others = without_leaks([row for row in rows if row.event != SRI_LANKA], pairs)
    vectors, _ = encode(_text_without(others, recipe, SRI_LANKA, work), pairs)
    return srilanka_folds(vectors, pairs, recipe)


def srilanka_folds(vectors: Vectors, pairs: Sequence[Row], recipe: Recipe) -> Figures:
    """:func:`srilanka` on encoded pairs."""
    questions = {"image_info": [row.of_image for row in pairs], "either": [row.of_post for row in pairs]}
    found: Figures = {}
    with progress() as bar:
        doing = bar.add_task("folds", total=len(questions) * len(VIEWS) * FOLDS)
        for question, answers in questions.items():
            asked = vectors.relabelled("informativeness", answers)
            pooled = {
                view: _folds(asked.shown(shown), pairs, recipe, lambda: bar.advance(doing))
                for view, shown in VIEWS.items()
            }
            judged = {question: answers, **({"agreed": [row.agreed for row in pairs]} if question == "either" else {})}
            found |= compare(pooled, pairs, judged)
    return found


def _folds(vectors: Vectors, pairs: Sequence[Row], recipe: Recipe, step: Callable[[], None]) -> Tensor:
    """Informativeness [pairs, 2], each fold's from a network that never saw it."""
    order = {group: i for i, group in enumerate(_shuffled({row.group for row in pairs}))}
    pooled = torch.zeros(len(pairs), len(LABELS["informativeness"]))
    config = recipe.config(vectors)
    for fold in range(FOLDS):
        splits = [_fold_split(order[row.group], fold) for row in pairs]
        parts = {s: [i for i, split in enumerate(splits) if split == s] for s in ("train", "dev", "held")}
        train, dev, held = (vectors.take(part) for part in parts.values())
        network = fit(config, train, dev, recipe.fusion.few())
        calibration = calibrated(network, dev)
        pooled[parts["held"]] = calibration(logits_of(network, held), held.mask)["informativeness"]
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


def _text_without(learning: Sequence[Row], recipe: Recipe, held_out: str, work: Path | None) -> TextEncoder:
    if recipe.text is None:
        return TextEncoder.load(recipe.text_model)
    return _tuned(f"without-{held_out}", [row for row in learning if row.split != "dev"], recipe, work).encoder


def _tuned(name: str, rows: Sequence[Row], recipe: Recipe, work: Path | None, start: Bundle | None = None) -> TextTask:
    """Text layers and heads fine-tuned on ``rows``; kept in ``work`` under ``name``, or taken from there."""
    encoder = TextEncoder.load(start.manifest.text_model if start else recipe.text_model)
    if start and (layers := start.part("text")):
        encoder.load_tuned(layers)
    plan = recipe.text or TextPlan()
    kept = work / f"{name}.safetensors" if work else None
    if kept and kept.is_file():
        task = TextTask(encoder, sources_of(rows))
        task.load_state_dict(load_file(kept))
        return task.eval()
    learning = distinct(rows)
    with progress() as bar:
        doing = bar.add_task(f"text layers, {name}", total=100)
        draw = epoch if any(row.source for row in learning) else each_once
        task = fine_tune(encoder, learning, plan, lambda share: bar.advance(doing, 100 * share), draw)
    if kept:
        partial = kept.with_suffix(".partial")
        save_file({key: value.contiguous() for key, value in task.state_dict().items()}, partial)
        partial.rename(kept)
    return task
