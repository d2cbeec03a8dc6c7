"""How long to wait before connecting again: X's table, which is kind to every network.

https://docs.x.com/x-api/fundamentals/handling-disconnections
"""

from __future__ import annotations

from stream_app.sources.frame import DisconnectedError

_NETWORK_STEP_S, _NETWORK_MOST_S = 0.25, 16.0
_HTTP_FIRST_S, _HTTP_MOST_S = 5.0, 320.0
_RATE_FIRST_S, _RATE_MOST_S = 60.0, 900.0


class Backoff:
    """Counts failures in a row; :meth:`reset` when a connection has held.

    A connection that was lost is made anew at once, then each time 250 ms later up to 16 s. An HTTP error waits 5 s,
    doubled up to 320 s; "too many requests" waits 60 s, doubled up to 15 minutes, X's longest window. What the server
    itself asks for is obeyed where it is longer.
    """

    def __init__(self) -> None:
        self._failures = {"network": 0, "http": 0, "rate": 0}

    def reset(self) -> None:
        """Begin anew."""
        self._failures = dict.fromkeys(self._failures, 0)

    def after(self, error: DisconnectedError) -> float:
        """Seconds to wait after this failure."""
        before = min(self._failures[error.kind], 100)
        self._failures[error.kind] += 1
        waits = {
            "network": min(_NETWORK_STEP_S * before, _NETWORK_MOST_S),
            "http": min(_HTTP_FIRST_S * 2.0**before, _HTTP_MOST_S),
            "rate": min(_RATE_FIRST_S * 2.0**before, _RATE_MOST_S),
        }
        return max(waits[error.kind], min(error.wait_s, _RATE_MOST_S))
