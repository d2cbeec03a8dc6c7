"""A real Apache Kafka for development, the demo and the tests: no Docker, no root, nothing left behind."""

from stream_app.kafka.broker.cluster import LocalCluster
from stream_app.kafka.broker.distribution import BrokerError, Distribution, install
from stream_app.kafka.broker.local import LocalBroker
from stream_app.kafka.broker.secure import SecureListener

__all__ = ["BrokerError", "Distribution", "LocalBroker", "LocalCluster", "SecureListener", "install"]
