"""The media step's output type: what became of each image a post points at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Status = Literal["used", "refused", "failed", "late", "unsupported", "too_large", "skipped"]


@dataclass(frozen=True, slots=True)
class MediaOutcome:
    """One image's fate. ``image`` is the model-ready array [S, S, 3] uint8 when ``status`` is ``used``, else None.

    ``reason`` is one plain sentence when the image was not used, or says what is wrong with one that was;
    ``elapsed_ms`` covers fetch and decode.
    """

    url: str
    status: Status
    reason: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    perceptual_hash: str | None = None
    elapsed_ms: float = 0.0
    image: NDArray[np.uint8] | None = None


class NotUsedError(Exception):
    """Raised inside the media step when an image cannot be used; :class:`MediaOutcome` is all that leaves the step."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def brief(error: BaseException) -> str:
    """An error in at most 120 printable characters on one line; a stranger's bytes may be quoted in it."""
    said = "".join(each if each.isprintable() else " " for each in f"{type(error).__name__} {error}")
    return " ".join(said.split())[:120]
