"""The labelled data as rows: CrisisMMD v2.0 posts, and photos of AIDR and DMD that have labels but no text.

Layout of the folder: ``crisismmd/crisismmd_v2_unified.parquet``, ``photos/manifest.csv`` and the photos it names.
CrisisMMD is for research use; nothing of it is part of this project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.data.rows import PHOTO_SET, Answers, Row, either, merge_groups
from model.scorer import ContextFacts

_POSTS = "crisismmd/crisismmd_v2_unified.parquet"
_PHOTOS = "photos/manifest.csv"


def load_rows(data: Path) -> list[Row]:
    """Every post of CrisisMMD (with its photo where there is one), then the photos without text.

    Raises:
        FileNotFoundError: ``data`` lacks the table of posts or the list of photos.
    """
    for name in (_POSTS, _PHOTOS):
        if not (data / name).is_file():
            raise FileNotFoundError(f"{data / name} is missing: give the folder that holds {_POSTS} and {_PHOTOS}")
    import pandas as pd

    photos = pd.read_csv(data / _PHOTOS, dtype=str, keep_default_na=False).to_dict("records")
    posts = pd.read_parquet(data / _POSTS).to_dict("records")
    of_post = {photo["crisismmd_image_id"]: photo for photo in photos if photo["crisismmd_image_id"]}
    rows = [_post(post, of_post.get(post["image_id"]), data / "photos") for post in posts]
    offset = 1 + max(row.group for row in rows)
    alone = [photo for photo in photos if not photo["crisismmd_image_id"]]
    lone = [_photo(photo, data / "photos", offset) for photo in alone]
    known = {row.key for row in rows}
    same = {key: int(photo["group"]) for key, photo in of_post.items() if key in known}
    return merge_groups([*rows, *lone], {**same, **{row.key: row.group - offset for row in lone}})


def _post(post: dict[str, Any], photo: dict[str, Any] | None, photos: Path) -> Row:
    text = _answers(informativeness=post["text_info"], humanitarian=post["text_human5"])
    image = _answers(
        informativeness=post["image_info"],
        humanitarian=post["image_human5"],
        damage=photo["damage_visual"] if photo else "",
        damage_crisismmd="" if post["image_damage"].startswith("dont") else post["image_damage"],
    )
    return Row(
        key=post["image_id"],
        group=int(post["group"]),
        event=post["event"],
        split=post["split_unified"],
        text=post["text"],
        image=photos / photo["file"] if photo else None,
        context=_context(post),
        of_text=text,
        of_image=image,
        of_post=either(text, image),
        agreed=_answers(
            informativeness=post["label_info"], humanitarian=post["label_human"], damage_crisismmd=post["label_damage"]
        ),
        official=_answers(
            informativeness=post["split_info_agreed"],
            humanitarian=post["split_human_agreed"],
            damage_crisismmd=post["split_damage"],
        ),
    )


def _photo(photo: dict[str, Any], photos: Path, offset: int) -> Row:
    image = _answers(
        informativeness=photo["informative"], humanitarian=photo["humanitarian"], damage=photo["damage_visual"]
    )
    return Row(
        key=photo["file"],
        group=int(photo["group"]) + offset,
        event=photo["event"],
        split=photo["split"],
        image=photos / photo["file"],
        of_image=image,
        source=PHOTO_SET,
    )


def _answers(**labels: str) -> Answers:
    answers = {concept: label for concept, label in labels.items() if label}
    if answers.get("humanitarian") == "not_humanitarian":
        answers["request"] = "no_request"
    return answers


def _context(post: dict[str, Any]) -> ContextFacts:
    """What the table knows of a tweet. Author's counts and language are not in it, so they stay unknown."""
    hour, minute = post["created_at"][11:13], post["created_at"][14:16]
    return ContextFacts(
        links=max(0, int(post["n_urls"]) - 1),  # every post here has a photo, whose own t.co link is no link to the web
        mentions=int(post["n_mentions"]),
        hashtags=len(post["hashtags"].split()),
        images=int(post["n_images"]),
        is_repost=bool(post["is_retweet"]),
        hour=int(hour) + int(minute) / 60 if hour else None,
    )
