"""Everything the shipped model learns from, and how much of each source an epoch shows.

Posts of CrisisMMD with and without photos, photos of AIDR and DMD, ordinary photos, messages of ten other sources and
this project's own sentences. Of the messages English is plenty and evened out; of other languages all is taken.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from model.data.crisis import load_rows
from model.data.jsonl import load_jsonl
from model.data.messages import load_messages
from model.data.ordinary import load_ordinary
from model.data.rows import Row, sample
from model.data.sentences import EVENT as SENTENCES
from model.data.sentences import sentence_rows
from model.training.text import without_leaks

ENGLISH = {"HumAID": 4500, "CrisisLexT26": 3500, "CrisisNLP": 3000, "Appen": 2500, "DMD": 800, "Torres&Vaca2019": 500}
"""English messages of a source that an epoch of the text layers shows; 1,000 of any other."""
PLEAS = 0.3
"""Share of those that is for requests for help, where there are so many."""
FOREIGN = {"Appen": 3000}
"""The same for other languages; all of the sources that are not named."""
RARE = frozenset({"tl", "it", "pt", "fr", "ar"})
"""Languages with few rows, shown twice."""
OWN = 0.3
"""Share of an epoch that is our own sentences."""
REHEARSED = 2
"""Without the labelled data each sentence of so many is taken: enough to keep what a model knows, in half the time."""
MESSAGES = 3500
"""Messages the fusion learns from, two of three in other languages than English; it has less to learn than the text."""
DEV_EACH = 70
"""Messages of a language that stop and calibrate it; three times as many in English."""


def load_mix(
    data: Path | None, files: Iterable[Path] = (), count: int | None = None, *, messages: bool = True
) -> list[Row]:
    """All rows of the labelled data and of JSON lines; without ``data`` those of the files and some own sentences.

    Training rows that repeat a held-out one, of the official test parts too, have the split ``held``. With ``count``
    an even sample of about so many of the labelled data; without ``messages`` only CrisisMMD and the photos with it.

    Raises:
        FileNotFoundError: ``data`` lacks one of the tables, or there is no such file; the message names it.
        ValueError: a file has a line that cannot be used.
    """
    labelled = _labelled if messages else lambda folder, _: load_rows(folder)
    rows = list(sample(labelled(data, count), count)) if data else sentence_rows()[::REHEARSED]
    for file in files:
        rows += load_jsonl(file, _after(rows))
    return held_apart(rows)


def _labelled(data: Path, count: int | None) -> list[Row]:
    rows = load_rows(data)
    rows += load_messages(data, _after(rows), count and 10 * count)
    rows += load_ordinary(data, _after(rows))
    return rows + sentence_rows(_after(rows))


def _after(rows: Sequence[Row]) -> int:
    return 1 + max((row.group for row in rows), default=-1)


def held_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows, those of ``train`` that stand in an official test part or share group or text with a held-out one held.

    So that a model made of them may be judged by any of the protocols.
    """
    held = [row for row in rows if row.split != "train" or "test" in row.official.values()]
    free = {row.key for row in without_leaks([row for row in rows if row.split == "train"], held)}
    return [replace(row, split="held") if row.split == "train" and row.key not in free else row for row in rows]


def epoch(rows: Sequence[Row], seed: int) -> list[int]:
    """Indices of the rows that one epoch of the text layers shows, some twice; another seed draws other messages."""
    rng = random.Random(seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    of_source: defaultdict[str, list[int]] = defaultdict(list)
    own = []
    for i in order:
        if rows[i].event == SENTENCES:
            own.append(i)
        else:
            of_source[rows[i].source].append(i)
    others = [i for source, of in of_source.items() for i in (_of_source(rows, source, of) if source else of)]
    others += [i for i in others if _twice(rows[i])]
    wanted = round(len(others) * OWN / (1 - OWN)) if others else len(own)
    return [*others, *islice(cycle(own), wanted if own else 0)]


def _twice(row: Row) -> bool:
    return row.language in RARE or (not row.source and bool(row.agreed))


def _of_source(rows: Sequence[Row], source: str, order: Sequence[int]) -> list[int]:
    name = source.split(" ", maxsplit=1)[0]
    foreign = [i for i in order if rows[i].language not in ("en", None)][: FOREIGN.get(name, len(order))]
    english = [i for i in order if rows[i].language in ("en", None)]
    most = ENGLISH.get(name, 1000)
    pleas = [i for i in english if rows[i].of_text.get("request") == "request"][: int(most * PLEAS)]
    return [*foreign, *pleas, *_evened(rows, [i for i in english if i not in set(pleas)])[: most - len(pleas)]]


def _evened(rows: Sequence[Row], order: Iterable[int]) -> list[int]:
    """The first of each event and category, then the second of each, and so on."""
    seen: Counter[tuple[str, str | None]] = Counter()
    rank = {}
    for i in order:
        kind = rows[i].event, rows[i].of_text.get("humanitarian")
        rank[i] = seen[kind]
        seen[kind] += 1
    return sorted(rank, key=lambda i: rank[i])


def fusion_rows(rows: Sequence[Row], seed: int = 0) -> list[Row]:
    """The ``train`` and ``dev`` rows the fusion learns from: of the messages a sample, of all else everything."""
    rng = random.Random(seed)
    shuffled = list(rows)
    rng.shuffle(shuffled)
    seen: Counter[tuple[str, str]] = Counter()
    taken = []
    for row in shuffled:
        if row.split not in ("train", "dev"):
            continue
        if row.text and row.source:
            kind, most = _room(row)
            seen[kind] += 1
            if seen[kind] > most:
                continue
        taken.append(row)
    return taken


def _room(row: Row) -> tuple[tuple[str, str], int]:
    """What a message is counted with, and how many of these the fusion takes."""
    english = row.language in ("en", None)
    if row.split == "train":
        return ("train", "en" if english else "other"), MESSAGES // 3 if english else MESSAGES - MESSAGES // 3
    return ("dev", row.language or "en"), DEV_EACH * (3 if english else 1)
