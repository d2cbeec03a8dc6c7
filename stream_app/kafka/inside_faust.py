"""What this program needs of Faust that has no public name: the one module that overrides its private methods.

Read in faust-streaming 0.15.3 (``READ_IN``); ``tests/stream_app/kafka/test_inside.py`` fails when the installed library
is another or one of these is gone.

Upstream: the races of a start and of recovery that :class:`_Flow` and ``seek_to_committed`` work around are of the kind
of faust-streaming/faust#216 (mended by #217 for apps without tables) and #596 (open). Of the rest we found no issue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, cast

import faust
from aiokafka.errors import TopicAuthorizationFailedError
from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from mode.utils.queues import FlowControlEvent
from pydantic import ValidationError

from stream_app.kafka.clients import login_options
from stream_app.kafka.inside_aiokafka import close_in_peace, read_committed, read_near
from stream_app.kafka.subscribe import Model
from stream_app.settings import KafkaSettings

logger = logging.getLogger(__name__)

READ_IN = "0.15.3"


class _CommittedThread(driver.AIOKafkaConsumerThread):
    """Faust reads committed records only in its own transactional mode; events are written in transactions of ours."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        close_in_peace()
        consumer = super()._create_worker_consumer(transport)
        read_committed(consumer)
        if self.app.client_rack:
            read_near(consumer, self.app.client_rack)
        return consumer

    async def seek_to_committed(self) -> Any:
        """Go back to what was committed, or to the beginning where nothing was yet.

        While Faust restores its tables it reads and drops events too, then seeks back to the committed offsets. Where
        there are none it stays behind what it dropped: a worker killed before its first commit would lose its events.
        """
        return await self.call_thread(self._seek_to_committed)

    async def _seek_to_committed(self) -> Any:
        consumer = self._ensure_consumer()
        committed = await consumer.seek_to_committed()
        changelogs = self.app.tables.changelog_topics
        fresh = [tp for tp, offset in committed.items() if offset is None and tp.topic not in changelogs]
        if fresh:
            await consumer.seek_to_beginning(*fresh)
        return committed


class _CommittedConsumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """Faust's transport, reading committed records only, and content with topics that are there."""

    Consumer = _CommittedConsumer

    async def _create_topic(self, owner: Any, client: Any, topic: str, *args: Any, **options: Any) -> None:
        """Create a topic, or use the one that is there where this user may not create any.

        Raises:
            aiokafka.errors.TopicAuthorizationFailedError: it is not there, or hidden from this user.
        """
        try:
            await super()._create_topic(owner, client, topic, *args, **options)
        except TopicAuthorizationFailedError:
            if topic not in (await client.fetch_all_metadata()).topics():
                raise TopicAuthorizationFailedError(topic) from None


class OnePartitionTable(faust.Table):
    """A table of one partition, whoever writes to it.

    Faust asks the message in hand for its partition, and a timer has none. With its ``use_partitioner`` it asks the
    producer instead, which fails on the first write to a topic that it has not heard of yet.
    """

    def partition_for_key(self, key: Any) -> int:  # noqa: ARG002
        """The only one."""
        return 0

    def read_as(self, model: type[Model]) -> Iterator[tuple[bytes, Model]]:
        """Its entries; of what somebody else put into its changelog, and is none, a line in the log."""
        for key, value in list(self.items()):
            try:
                yield key, model.model_validate_json(value)
            except ValidationError as error:
                logger.warning("left out of %s what cannot be read: %s", self.name, error.errors()[0]["msg"])


class _Flow(FlowControlEvent):
    """Whether records go on to the agents. To resume what was not suspended changes nothing.

    Faust resumes the flow twice at a start, the second time after it has gone back to the committed offsets, and
    empties its queues each time: a record that was read in between would be lost.
    """

    def resume(self) -> None:
        """Let records go on, without those of before the halt."""
        if not self.is_active():
            super().resume()


class App(faust.App):
    """Its tables are in memory and in Kafka, so the data folder that Faust makes where it starts would stay empty.

    ``client_rack`` is where its consumer reads from (KIP-392); Faust has no setting for it. ``own_topics`` are settings
    of the topics that it makes for itself, its tables' too.
    """

    client_rack: str | None = None
    own_topics: Mapping[str, str] = MappingProxyType({})

    def topic(self, *topics: str, internal: bool = False, **options: Any) -> Any:
        """Describe a topic; see Faust's."""
        if internal:
            options["config"] = {**self.own_topics, **(options.get("config") or {})}
        return super().topic(*topics, internal=internal, **options)

    def _create_directories(self) -> None:
        """Make none."""

    @cached_property
    def flow_control(self) -> FlowControlEvent:
        """Faust's, but for :class:`_Flow`."""
        return _Flow(loop=self.loop)


def credentials(kafka: KafkaSettings) -> Any:
    """TLS and SASL as Faust wants them; None without either."""
    options = login_options(kafka)
    context = options.get("ssl_context")
    if (tokens := options.get("sasl_oauth_token_provider")) is not None:
        return OAuthCredentials(oauth_cb=tokens, ssl_context=cast("Any", context))
    if kafka.security_protocol.startswith("SASL"):
        return SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(cast("Any", context)) if context else None
