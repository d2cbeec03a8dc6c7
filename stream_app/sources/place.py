"""How far a source has come, as it is kept in Kafka: in the metadata of one committed offset."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

import orjson

_ID_BYTES = 6
_REMEMBERED = 400
"""Ids of messages; Kafka takes 4,096 bytes of metadata (``offset.metadata.max.bytes``), and these take 3,200."""


@dataclass
class Place:
    """How far a source has come.

    ``position`` is the network's own count (microseconds, an id), ``heard`` when it last gave a sign of life (POSIX
    seconds), ``host`` who did. The last messages sent are remembered by short hashes: a stream that goes on elsewhere,
    or that sends a stretch of its past again, repeats some. ``floor`` is the position up to which they are forgotten.
    """

    position: int = 0
    heard: float = 0.0
    host: str = ""
    floor: int = 0
    _sent: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def read(cls, metadata: str) -> Place:
        """The place that :meth:`text` wrote.

        Raises:
            ValueError: the text was written by something else.
        """
        kept = orjson.loads(metadata)
        try:
            ids = base64.b64decode(kept["sent"], validate=True)
            place = cls(int(kept["position"]), float(kept["heard"]), str(kept["host"]), int(kept["floor"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no place of a source: {error!r}") from None
        place._sent = {ids[at : at + _ID_BYTES]: place.position for at in range(0, len(ids), _ID_BYTES)}
        return place

    def text(self) -> str:
        """At most 3,500 characters of JSON."""
        kept = {"position": self.position, "heard": round(self.heard, 3), "host": self.host[:200], "floor": self.floor}
        return orjson.dumps(kept | {"sent": base64.b64encode(b"".join(self._sent)).decode()}).decode()

    def knows(self, name: str, position: int | None) -> bool:
        """Whether a message of the network's past was sent before: it is remembered, or older than all that is."""
        return _short(name) in self._sent or (position is not None and position <= self.floor)

    def remember(self, name: str, position: int | None) -> None:
        """Note that this message was sent."""
        self._sent[_short(name)] = self.position if position is None else position
        while len(self._sent) > _REMEMBERED:
            oldest = next(iter(self._sent))
            self.floor = max(self.floor, self._sent.pop(oldest))


def _short(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=_ID_BYTES).digest()
