"""Ordinary photos: nothing of a disaster in them, so that a model does not call any photo informative.

``photos/ordinary.csv`` of the labelled data names them. Their label is silver: no word of disaster stood in the text
they were posted with, which is not learned.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from model.data.rows import Row

TABLE = "photos/ordinary.csv"
EVENT = "ordinary"
SILVER = {
    "informativeness": "not_informative",
    "humanitarian": "not_humanitarian",
    "damage": "little_or_no_damage",
    "request": "no_request",
}


def load_ordinary(data: Path, first_group: int = 0) -> list[Row]:
    """Every ordinary photo as a row of its own group; by a hash of its name seven in ten are train, one dev, two test.

    Raises:
        FileNotFoundError: ``data`` lacks the list.
    """
    if not (data / TABLE).is_file():
        raise FileNotFoundError(f"{data / TABLE} is missing: it lists photos that show no disaster")
    import pandas as pd

    names = pd.read_csv(data / TABLE, dtype=str, keep_default_na=False)["file"]
    return [_row(data / "photos", name, first_group + i) for i, name in enumerate(names)]


def _row(photos: Path, name: str, group: int) -> Row:
    tenth = int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10
    return Row(
        key=name,
        group=group,
        event=EVENT,
        split="train" if tenth < 7 else "dev" if tenth == 7 else "test",
        image=photos / name,
        of_image=SILVER,
        of_post=SILVER,
        source=EVENT,
    )
