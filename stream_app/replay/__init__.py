"""Sends history into a feed topic: from files or from Kafka topics between two times."""

from stream_app.kafka.window import BrokenOffError
from stream_app.replay.history import History, Item, ReplayError
from stream_app.replay.send import Report, replay

__all__ = ["BrokenOffError", "History", "Item", "ReplayError", "Report", "replay"]
