"""Labelled posts of one's own, from a file of JSON lines: what ``crisis-stream feedback export`` writes, or a person.

A line has ``text``, ``image`` (a photo's path, from the file's folder) or both, and ``labels``: the right label of each
concept that somebody judged. docs/train-your-own.md has the other fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.data.rows import Answers, Row, merge_groups
from model.scorer import LABELS, ContextFacts


class Line(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    text: str = ""
    image: str | None = Field(None, description="path of a photo, relative to the file")
    labels: dict[str, str] = Field(description="the right label by concept, of the post as a whole")
    text_labels: dict[str, str] = Field({}, description="what the text alone says, where there is a photo too")
    image_labels: dict[str, str] = Field({}, description="what the photo alone says, where there is a text too")
    split: Literal["train", "dev", "test"] | None = None
    event: str = Field("", description="for protocols that leave one out; never an input")
    id: str | None = None
    group: str | None = Field(None, description="copies of one post have the same one; else alike texts and photos")
    source: str = Field("", description="who labelled it, where their labels mean something else than ours")
    language: str | None = None


def load_jsonl(path: Path, first_group: int = 0) -> list[Row]:
    """Every line as a row, in order; copies by text, photo or ``group`` share a group, numbered from ``first_group``.

    A row without a split gets one by a hash of its group: of ten groups eight train, one dev, one test.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line cannot be used; the message names file, line, field and what to do.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: give a file of JSON lines, each with text or image, and labels")
    lines = list(_lines(path))
    if not lines:
        raise ValueError(f"{path} holds no row: each line is a JSON object with text or image, and labels")
    rows = [_row(path, number, line, i) for i, (number, line) in enumerate(lines)]
    for mark in (lambda line: line.group, _words, lambda line: line.image):
        rows = merge_groups(rows, _alike({row.key: mark(line) for row, (_, line) in zip(rows, lines, strict=True)}))
    split_of = _splits(path, rows, lines)
    return [replace(row, group=first_group + row.group, split=split_of[row.group]) for row in rows]


def _alike(marks: Mapping[str, str | None]) -> dict[str, int]:
    """A number by row for each mark, the same for the same; rows without one are left out."""
    numbers: dict[str, int] = {}
    return {key: numbers.setdefault(mark, len(numbers)) for key, mark in marks.items() if mark}


def _splits(path: Path, rows: Sequence[Row], lines: Sequence[tuple[int, Line]]) -> dict[int, str]:
    """The split of each group: the one a line of it names, else by a hash of what its first line holds.

    Raises:
        ValueError: two lines of one group name two splits.
    """
    named: dict[int, tuple[str, int]] = {}
    drawn: dict[int, str] = {}
    for row, (number, line) in zip(rows, lines, strict=True):
        drawn.setdefault(row.group, _drawn(line.group or _words(line) or line.image or ""))
        if line.split is None:
            continue
        split, first = named.setdefault(row.group, (line.split, number))
        if split != line.split:
            raise ValueError(
                f"{path}, line {number} is a copy of line {first} (by group, text or photo), but one is {split} and "
                f"the other {line.split}: copies must be on one side, or the figures mean nothing"
            )
    return {**drawn, **{group: split for group, (split, _) in named.items()}}


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                yield number, _line(path, number, raw)


def _line(path: Path, number: int, raw: bytes) -> Line:
    where = f"{path}, line {number}"
    try:
        line = Line.model_validate(json.loads(raw))
    except ValidationError as error:
        raise ValueError(f"{where}: {_sentence(error)}") from None
    except ValueError:
        raise ValueError(f"{where} is no JSON object: each line is one, with text or image, and labels") from None
    if not line.text.strip() and line.image is None:
        raise ValueError(f"{where} has neither a text nor an image: there is nothing to learn from")
    for name in ("labels", "text_labels", "image_labels"):
        _check_labels(where, name, getattr(line, name))
    if not line.labels:
        raise ValueError(f"{where}: labels is empty; leave the line out, or name the right label of a concept")
    if line.image is not None:
        _check_photo(where, path.parent / line.image)
    return line


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, in words."""
    problem = error.errors()[0]
    field = ".".join(map(str, problem["loc"])) or "the line"
    match problem["type"]:
        case "missing":
            return f"{field} is missing"
        case "extra_forbidden":
            return f"{field} is no field of a row; there are {', '.join(Line.model_fields)}"
        case _:
            return f"{field}: {problem['msg'].lower()}"


def _check_labels(where: str, name: str, labels: Answers) -> None:
    for concept, label in labels.items():
        known = LABELS.get(concept)  # type: ignore[call-overload]
        if known is None:
            raise ValueError(f"{where}: {name} has {concept!r}, which is no concept; there are {', '.join(LABELS)}")
        if label not in known:
            raise ValueError(f"{where}: {label!r} is no label of {concept}; there are {', '.join(known)}")


def _check_photo(where: str, photo: Path) -> None:
    try:
        with Image.open(photo):
            pass
    except FileNotFoundError:
        raise ValueError(f"{where}: the photo {photo} is not there; paths are relative to the file") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise ValueError(f"{where}: {photo} cannot be read as a photo") from None


def _words(line: Line) -> str:
    return " ".join(line.text.lower().split())


def _row(path: Path, number: int, line: Line, group: int) -> Row:
    both = bool(line.text.strip()) and line.image is not None
    damage = {concept: label for concept, label in line.labels.items() if concept == "damage"}
    of_text: Answers = line.text_labels if both else line.labels if line.text.strip() else {}
    of_image: Answers = {**damage, **line.image_labels} if both else line.labels if line.image is not None else {}
    return Row(
        key=f"{path.name}:{number}",
        group=group,
        event=line.event,
        split="",
        text=line.text or None,
        image=None if line.image is None else path.parent / line.image,
        context=ContextFacts(
            mentions=line.text.count("@"),
            hashtags=line.text.count("#"),
            images=int(line.image is not None),
            language=line.language,
        ),
        of_text=of_text,
        of_image=of_image,
        of_post=line.labels,
        agreed=line.labels if not both else {c: y for c, y in line.labels.items() if of_text.get(c) == y},
        source=line.source,
        language=line.language,
    )


def _drawn(name: str) -> str:
    tenth = int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10
    return {8: "dev", 9: "test"}.get(tenth, "train")
