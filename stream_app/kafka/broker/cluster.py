"""Several Kafka brokers on this machine, to see what becomes of a stream when one of them dies."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from stream_app.kafka.broker.local import LocalBroker, Seat, free_port


class LocalCluster:
    """Brokers 1 to ``brokers`` on 127.0.0.1, each a controller too; they keep everything in three copies.

    Args:
        data_dir: A folder for each of them goes here.
        brokers: How many; an odd number, so that the controllers have a majority when one is gone.
    """

    def __init__(self, data_dir: Path, brokers: int = 3) -> None:
        ports = [free_port() for _ in range(2 * brokers)]
        seats = [Seat(node, tuple(ports[:brokers])) for node in range(1, brokers + 1)]
        self.brokers = {
            seat.node: LocalBroker(data_dir / str(seat.node), ports[brokers + seat.node - 1], seat=seat)
            for seat in seats
        }

    @property
    def bootstrap_servers(self) -> str:
        """All of them, for clients."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers.values())

    def start(self, timeout_s: float = 120.0) -> None:
        """Start all that do not run, and return when they answer requests.

        Raises:
            BrokerError: one did not come up; with the end of its log.
        """
        for broker in self.brokers.values():
            broker.launch()
        for broker in self.brokers.values():
            broker.wait_ready(timeout_s)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End all of them at once; what they hold is thrown away with the folder."""
        for broker in self.brokers.values():
            broker.kill()
