"""A worker whose model fails on every batch that has a marked post in it."""

from __future__ import annotations

from collections.abc import Sequence

from model.scorer import PostInput, Scored, Scorer
from model.serving.fixed import FixedScorer
from stream_app.settings import Settings
from stream_app.worker.service import run

MARK = "UNPALATABLE"


class FlakyScorer(FixedScorer):
    """The fixed scorer, raising on any batch with :data:`MARK` in a text."""

    def score(self, posts: Sequence[PostInput]) -> list[Scored]:
        """Label the posts.

        Raises:
            RuntimeError: a text has the mark.
        """
        if any(MARK in post.text for post in posts):
            raise RuntimeError(f"a text says {MARK}")
        return super().score(posts)


def load_flaky(_: object, **__: object) -> Scorer:
    """The flaky scorer, whatever source is asked for."""
    return FlakyScorer()


if __name__ == "__main__":
    run(Settings(), load=load_flaky, loglevel="WARNING")
