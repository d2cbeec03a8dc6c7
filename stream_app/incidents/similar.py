"""Finds texts that say nearly the same and photos that show the same, among those indexed.

Texts: MinHash over words and word pairs, candidates by locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3). Photos: Hamming distance of 64-bit perceptual hashes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import pairwise

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from stream_app.pipeline.posts.identity import normalised_text

Sketch = NDArray[np.uint32]
"""MinHash of a text [128]: two agree in as many places as the Jaccard similarity of their texts says."""

_NOT_WORDS = re.compile(r"https?://\S+|@\w+|\brt\b")
_WORD = re.compile(r"\w+")
_PERMUTATIONS = 128
_RECALL = (0.1, 0.9)
"""Weights of false positives and negatives: candidates are compared anyway, so missing one costs more."""
_PHOTO_BITS = 64
_RECENT = 1024
"""Texts worked out lately: one post asks several times."""


@lru_cache(_RECENT)
def shingles(text: str) -> frozenset[str]:
    """The words of ``text`` and its pairs of neighbours; addresses, @names and case left out."""
    words = _WORD.findall(_NOT_WORDS.sub(" ", normalised_text(text)))
    return frozenset(words) | {f"{a} {b}" for a, b in pairwise(words)}


@lru_cache(_RECENT)
def text_key(text: str) -> str | None:
    """Name of a text by its shingles, 16 hex digits; None for a text without words."""
    found = shingles(text)
    return hashlib.sha256("\0".join(sorted(found)).encode()).hexdigest()[:16] if found else None


class TextIndex:
    """Texts by name, each counted as often as it was added.

    A sketch is cut into bands, and texts that share a band are candidates. datasketch chooses how many bands; its own
    index keeps a set and two keys for each of them, 10 kB a text, where this keeps a number and a name.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        plan = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=_RECALL)
        self._bands, self._rows = int(plan.b), int(plan.r)
        self._sketches: dict[str, Sketch] = {}
        self._of_band: dict[int, str | set[str]] = {}
        self._uses: Counter[str] = Counter()

    def add(self, key: str, text: str) -> None:
        """Index ``text`` under ``key``, its :func:`text_key`."""
        self._uses[key] += 1
        if self._uses[key] > 1:
            return
        sketch = self._sketches[key] = _sketch(text)
        for band in self._bands_of(sketch):
            there = self._of_band.get(band)
            if isinstance(there, set):
                there.add(key)
            else:
                self._of_band[band] = key if there is None else {there, key}

    def discard(self, key: str) -> None:
        """Undo one :meth:`add` of ``key``."""
        self._uses[key] -= 1
        if self._uses[key]:
            return
        for band in self._bands_of(self._sketches[key]):
            there = self._of_band[band]
            if isinstance(there, set):
                there.discard(key)
            if not there or there == key:
                del self._of_band[band]
        del self._uses[key], self._sketches[key]

    def similar(self, text: str) -> dict[str, float]:
        """Keys of indexed texts and their estimated Jaccard similarity to ``text``, where it reaches the threshold."""
        mine = _sketch(text)
        near: set[str] = set()
        for band in self._bands_of(mine):
            there = self._of_band.get(band)
            if there is not None:
                near |= there if isinstance(there, set) else {there}
        scores = {key: float(np.mean(mine == self._sketches[key])) for key in near}
        return {key: score for key, score in scores.items() if score >= self._threshold}

    def __len__(self) -> int:
        """Distinct texts."""
        return len(self._sketches)

    def _bands_of(self, sketch: Sketch) -> list[int]:
        """A number for each band; that two bands have the same by chance makes a candidate more."""
        raw, width = sketch.tobytes(), self._rows * sketch.itemsize
        return [hash((number, raw[number * width : (number + 1) * width])) for number in range(self._bands)]


class PhotoIndex:
    """Perceptual hashes, each counted as often as it was added.

    Of ``bits + 1`` pieces of two hashes at most ``bits`` apart, one piece is equal (the pigeonhole principle), so
    looking the pieces up finds every such hash.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._pieces: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
        self._uses: Counter[str] = Counter()

    def add(self, photo: str) -> None:
        """Index a hash of 16 hex digits."""
        self._uses[photo] += 1
        for piece in self._split(photo):
            self._pieces[piece].add(photo)

    def discard(self, photo: str) -> None:
        """Undo one :meth:`add` of ``photo``."""
        self._uses[photo] -= 1
        if self._uses[photo]:
            return
        del self._uses[photo]
        for piece in self._split(photo):
            self._pieces[piece].discard(photo)
            if not self._pieces[piece]:
                del self._pieces[piece]

    def similar(self, photo: str) -> set[str]:
        """Indexed hashes at most ``bits`` bits from ``photo``."""
        candidates = set().union(*(self._pieces.get(piece, ()) for piece in self._split(photo)))
        return {other for other in candidates if (int(other, 16) ^ int(photo, 16)).bit_count() <= self._bits}

    def __len__(self) -> int:
        """Distinct photos."""
        return len(self._uses)

    def _split(self, photo: str) -> list[tuple[int, int]]:
        width = -(-_PHOTO_BITS // (self._bits + 1))
        number, mask = int(photo, 16), (1 << width) - 1
        return [(shift, number >> shift & mask) for shift in range(0, _PHOTO_BITS, width)]


@lru_cache(_RECENT)
def _sketch(text: str) -> Sketch:
    sketch = MinHash(num_perm=_PERMUTATIONS)
    sketch.update_batch([shingle.encode() for shingle in shingles(text)])
    return np.asarray(sketch.hashvalues, np.uint32)  # hashes of 32 bits, which datasketch keeps in 64
