"""This project's own sentences in 87 languages: pleas, offers, reports, warnings, ordinary ones, and invented posts.

Written for the project (by a language model, read by no native speaker), no network's posts. ``sentences/`` has a file
a language with ``text``, ``info`` and ``human`` (labels as :data:`model.scorer.LABELS` names them), ``request``
and ``kind``: plea, offer (help that is there, was given, or is asked about from afar, in a plea's own words), report,
warning, ordinary, which has words of disaster and speaks of none, and post: what people, papers and agencies might
write about a disaster that never happened, of some thirty kinds, or about anything else in the same hour. Sympathy has
no category (``human`` is null), as in CrisisLexT26. An eighth of each language is dev; four
languages, and ``apart.jsonl``, which was written without sight of the others, some of it in languages that have no
file, are test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from model.data.rows import Row
from model.scorer import ContextFacts

FOLDER = Path(__file__).parent / "sentences"
NEVER_LEARNED = frozenset({"pl", "vi", "el", "ko"})
"""Languages that are test as a whole: what a model knows of them it has from others."""
EVENT = "own_sentences"
"""The event of their rows, which is none."""


class Sentence(NamedTuple):
    """One sentence or message and what it says."""

    text: str
    language: str
    informativeness: str
    humanitarian: str | None
    """None where nobody should be asked: sympathy, of a post."""
    request: bool
    kind: Literal["plea", "offer", "report", "warning", "ordinary", "post"]
    split: Literal["train", "dev", "test"]


def load_sentences() -> Iterator[Sentence]:
    """All sentences, language after language."""
    for path in sorted(FOLDER.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield Sentence(
                row["text"],
                row.get("lang", path.stem),
                row["info"],
                row["human"],
                row["request"],
                row.get("kind", "ordinary"),
                split_of(path.stem, row["text"]),
            )


def sentence_rows(first_group: int = 0) -> list[Row]:
    """Every sentence as a row of its own group, numbered from ``first_group``."""
    return [_row(sentence, first_group + i) for i, sentence in enumerate(load_sentences())]


def _row(sentence: Sentence, group: int) -> Row:
    answers = {
        "informativeness": sentence.informativeness,
        "request": "request" if sentence.request else "no_request",
        **({"humanitarian": sentence.humanitarian} if sentence.humanitarian else {}),
    }
    return Row(
        key=f"{EVENT}-{group}",
        group=group,
        event=EVENT,
        split=sentence.split,
        text=sentence.text,
        context=ContextFacts(),
        of_text=answers,
        of_post=answers,
        agreed=answers,
        language=sentence.language,
    )


def split_of(file: str, text: str) -> Literal["train", "dev", "test"]:
    """Where a sentence of a file belongs: by a hash of its text, so that a new one moves no other."""
    if file in NEVER_LEARNED or file == "apart":
        return "test"
    return "train" if int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 8 else "dev"
