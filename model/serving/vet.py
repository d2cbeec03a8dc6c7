"""What a model must show before it labels anybody's post: its manifest fits this program, its answers are answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from model.encoders.pinned import PACKAGED_FILES, check_files
from model.encoders.text import packaged_folder
from model.scorer import CONCEPTS, LABELS, Concept, ConceptScore, ModelRefusedError, PostInput, Scored, Scorer
from model.serving.bundle import Manifest

IMAGE_MODELS = frozenset({"efficientnet_lite0"})
"""Image encoders that there are; their weights' hash is checked where they are read."""
_TEXT = "The river has burst its banks, the bridge is gone and two people are missing."
_OFF = 1e-3
"""How far from 1 the probabilities of a concept may sum up."""


def check_manifest(manifest: Manifest) -> None:
    """Make sure that a model's labels mean what this program's do, and that its base encoders are at hand unchanged.

    Raises:
        ModelRefusedError: a concept is missing or has other labels, or the same in another order; an encoder is
            neither packaged nor a folder on this machine, or its files are others than the model was made with.
    """
    for concept in CONCEPTS:
        has = manifest.network.concepts.get(concept)
        if has != LABELS[concept]:
            raise ModelRefusedError(
                f"its labels of {concept} are {_words(has)}, and this version's are {_words(LABELS[concept])}, "
                "in this order: train it again with this version"
            )
    if manifest.image_model not in IMAGE_MODELS:
        raise ModelRefusedError(f"its image encoder is none of {_words(IMAGE_MODELS)}: train it again with one of them")
    if manifest.text_model in PACKAGED_FILES:
        folder = packaged_folder(manifest.text_model)
        check_files(folder, PACKAGED_FILES[manifest.text_model], all_of_it=False)
        return
    if not Path(manifest.text_model).is_dir():
        raise ModelRefusedError(
            f"its text encoder is neither packaged ({_words(PACKAGED_FILES)}) nor a folder on this machine. In "
            "service nothing is fetched from a hub: download it into a folder and train the model on that"
        )
    if not manifest.text_files:
        raise ModelRefusedError(
            "its manifest does not say which files its text encoder was made of (text_files): train it again"
        )
    check_files(Path(manifest.text_model), manifest.text_files)


def vet(scorer: Scorer) -> None:
    """Ask a model about a text, a photo and both, and look whether the answers are answers.

    Raises:
        ModelRefusedError: it fails, or a probability is not finite, is not of a known label or does not sum up to 1.
    """
    photo = scorer.prepare(Image.fromarray(_slope()))
    canaries = {
        "a text": PostInput(_TEXT),
        "a photo": PostInput("", (photo,)),
        "a text with a photo": PostInput(_TEXT, (photo,)),
    }
    try:
        answers = scorer.score(list(canaries.values()))
    except Exception as error:
        raise ModelRefusedError(f"it fails on a harmless post ({type(error).__name__})") from error
    for (what, post), answer in zip(canaries.items(), answers, strict=True):
        if problem := _problem(answer, seen=bool(post.images)):
            raise ModelRefusedError(f"asked about {what}, {problem}")


def _problem(scored: Scored, *, seen: bool) -> str | None:
    weights = (*scored.explanation.attention.values(), *scored.explanation.pairs.values())
    if not all(map(math.isfinite, weights)):
        return "its fusion weights are not finite numbers"
    tables: list[Mapping[Concept, ConceptScore]] = [scored.labels, *scored.alone.values()]
    problems = (_off(labels, concept) for labels in tables for concept in CONCEPTS)
    if problem := next(filter(None, problems), None):
        return problem
    unjudged = [concept for concept in CONCEPTS if scored.labels[concept].label is None]
    return f"it gives no label of {unjudged[0]}" if seen and unjudged else None


def _off(labels: Mapping[Concept, ConceptScore], concept: Concept) -> str | None:
    score = labels.get(concept)
    if score is None:
        return f"it says nothing of {concept}"
    if score.label is None:
        return None if score.reason else f"it gives no label of {concept} and no reason"
    if set(score.probabilities) != set(LABELS[concept]) or score.label not in score.probabilities:
        return f"its probabilities of {concept} are not of {_words(LABELS[concept])}"
    if not all(map(math.isfinite, score.probabilities.values())):
        return f"its probabilities of {concept} are not finite numbers"
    if abs(sum(score.probabilities.values()) - 1) > _OFF:
        return f"its probabilities of {concept} do not sum up to 1"
    return None


def _slope() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A photo of nothing, [256, 256, 3] uint8, with all values in it."""
    across = np.arange(256, dtype=np.uint8)
    return np.stack(np.broadcast_arrays(across[:, None], across[None, :], np.uint8(90)), axis=2)


def _words(names: Iterable[str] | None) -> str:
    return ", ".join(names or ()) or "missing"
