"""One labelled row, and which of its labels holds when some of its modalities are hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from model.scorer import LABELS, ContextFacts

LEARNED: Mapping[str, tuple[str, ...]] = {
    **{str(concept): labels for concept, labels in LABELS.items()},
    "damage_crisismmd": LABELS["damage"],
}
"""The concepts a network learns. ``damage_crisismmd`` asks another question than ``damage``: a head not shown."""

PHOTO_SET = "photos"
"""The source of photos that were collected without their posts."""

Answers = Mapping[str, str]
"""A label by concept; a concept that nobody judged is not there."""


@dataclass(frozen=True, slots=True)
class Row:
    """A post with text, photo or both, and what people said of its text, of its photo and of the two together."""

    key: str
    group: int
    """Rows of one group are copies or near copies of each other: never on two sides of a split."""
    event: str
    """For protocols (leave one event out, the event-only baseline); never an input."""
    split: str
    text: str | None = None
    image: Path | None = None
    context: ContextFacts | None = None
    of_text: Answers = field(default_factory=dict)
    of_image: Answers = field(default_factory=dict)
    of_post: Answers = field(default_factory=dict)
    agreed: Answers = field(default_factory=dict)
    """Labels on which the judges of text and photo agree: what papers evaluate on."""
    official: Mapping[str, str] = field(default_factory=dict)
    """The official agreed-label split of each concept, where the row has one."""

    source: str = ""
    """Who labelled it, where that was not CrisisMMD's judges or us: labels of other sources mean something else."""
    language: str | None = None

    def answers(self, *, text: bool, image: bool) -> Answers:
        """The labels that hold for what can be seen of the row."""
        if text and image:
            return self.of_post
        return self.of_text if text else self.of_image if image else {}

    @property
    def undisputed(self) -> Answers:
        """Labels of the text that those of the photo, where it was judged, do not contradict."""
        return {concept: label for concept, label in self.of_text.items() if self.of_image.get(concept, label) == label}

    @property
    def of_photo(self) -> Answers:
        """Labels of the photo to learn from.

        Photo sets were collected for showing disasters: 811 of theirs are informative and 47 are not. Learning that
        makes any photo mean informative, so of those this one label is left out.
        """
        if self.source != PHOTO_SET:
            return self.of_image
        return {concept: label for concept, label in self.of_image.items() if concept != "informativeness"}


def either(text: Answers, image: Answers) -> Answers:
    """The labels of a post from those of its text and its photo.

    A post is informative if either part is. Its humanitarian category is the one they agree on, or that of the part
    which has one; two different ones are no label at all. Damage is a matter of the photo.
    """
    post = {concept: label for concept, label in image.items() if concept.startswith("damage")}
    kinds = {side.get("informativeness") for side in (text, image)} - {None}
    if kinds:
        post["informativeness"] = "informative" if "informative" in kinds else "not_informative"
    categories = {side.get("humanitarian") for side in (text, image)} - {None}
    telling = categories - {"not_humanitarian"}
    if len(telling) == 1 or (categories and not telling):
        post["humanitarian"] = (telling or categories).pop() or ""
    return post


def classes(answers: Iterable[Answers], concept: str) -> list[int]:
    """Class indices of a concept, -1 where a row has no label."""
    index = {label: i for i, label in enumerate(LEARNED[concept])}
    return [index[row[concept]] if concept in row else -1 for row in answers]


def merge_groups(rows: Sequence[Row], other: Mapping[str, int]) -> list[Row]:
    """Rows with one group wherever they share theirs or the ``other`` group of their key (connected components)."""
    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def root(node: tuple[str, int]) -> tuple[str, int]:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = parent[node]
        return node

    for row in rows:
        if row.key in other:
            parent[root(("photo", other[row.key]))] = root(("row", row.group))
    number = {node: i for i, node in enumerate(dict.fromkeys(root(("row", row.group)) for row in rows))}
    return [replace(row, group=number[root(("row", row.group))]) for row in rows]


def sample(rows: Sequence[Row], count: int | None) -> Sequence[Row]:
    """All rows when ``count`` is None, or about so many: as many posts with photos as photos, posts and messages.

    No more than there are of a kind, so fewer where one kind is rare.
    """
    if count is None:
        return rows
    kinds: dict[tuple[bool, bool, bool], list[Row]] = {}
    for row in rows:
        kinds.setdefault((bool(row.text), row.image is not None, bool(row.source)), []).append(row)
    each = max(1, count // max(1, len(kinds)))
    return [row for kind in kinds.values() for row in kind[:: max(1, len(kind) // each)][:each]]
