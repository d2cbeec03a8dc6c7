"""What was labelled is remembered, so that a repost or an exact copy costs nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from stream_app.pipeline.labelling.describe import Labelling


class Known:
    """A labelling, the topics that its events go to, and how many other posts have shared it.

    How sure it is stands only in the JSON that is there anyway. A hundred thousand times a dozen objects would be gone
    through by Python's garbage collector again and again, and held up everything for a third of a second each time.
    """

    __slots__ = ("keys", "labelling", "seen", "topics")

    def __init__(self, labelling: Labelling, topics: Sequence[str] = ()) -> None:
        self.labelling, self.topics = labelling, topics
        self.seen = 0
        self.keys: tuple[str, ...] = ()


class Memory:
    """The most recently used labellings, each under the keys of its post (``posts.identity.keys``).

    Args:
        size: Labellings remembered at most; 0 remembers none.
    """

    def __init__(self, size: int) -> None:
        self._size = 2 * size  # a post has two keys, or three with photos
        self._known: OrderedDict[str, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, keys: Sequence[str]) -> Known | None:
        """The labelling known under the first of ``keys`` that is known."""
        for key in keys:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        return None

    def remember(self, keys: Sequence[str], known: Known) -> None:
        """Remember ``known`` under all ``keys`` and forget what was not used for longest."""
        known.keys = tuple(keys)
        for key in keys:
            self._known[key] = known
            self._known.move_to_end(key)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget the labelling known under ``key``, under its other keys too."""
        if (known := self._known.get(key)) is not None:
            for each in known.keys:
                if self._known.get(each) is known:
                    del self._known[each]

    def clear(self) -> None:
        """Forget everything; a new model labels anew."""
        self._known.clear()
