"""How every Kafka client of this program connects, and what a failed one is told."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConfigurationError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.helpers import create_ssl_context

from stream_app.kafka.diagnose import diagnose
from stream_app.kafka.ending import end_within
from stream_app.kafka.inside_aiokafka import close_in_peace
from stream_app.kafka.tokens import tokens_of
from stream_app.settings import KafkaSettings

if TYPE_CHECKING:
    from mode import Worker

logger = logging.getLogger(__name__)


def login_options(kafka: KafkaSettings) -> dict[str, Any]:
    """TLS and SASL as any connection of aiokafka wants them.

    The password is unwrapped only here; don't log the result.

    Raises:
        aiokafka.errors.KafkaConfigurationError: a certificate or key file cannot be used; the message names them.
    """
    options: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        if (tokens := tokens_of(kafka)) is not None:
            return options | {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": tokens}
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return options


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for any aiokafka client; raises as :func:`login_options`."""
    return {
        "bootstrap_servers": kafka.bootstrap_servers,
        "metadata_max_age_ms": int(kafka.metadata_max_age_s * 1000),
        **login_options(kafka),
    }


def consumer_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for any aiokafka consumer; raises as :func:`login_options`."""
    close_in_peace()
    return {**client_options(kafka), "client_rack": kafka.client_rack}


def producer_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for any aiokafka producer; raises as :func:`login_options`."""
    return {**client_options(kafka), "compression_type": codec(kafka)}


def codec(kafka: KafkaSettings) -> str | None:
    """Kafka's name for how is compressed, or None."""
    return None if kafka.compression == "none" else kafka.compression


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=kafka.ssl_cafile,
            certfile=kafka.ssl_certfile,
            keyfile=kafka.ssl_keyfile,
            # Never None: OpenSSL would ask the terminal for it.
            password=kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else "",
        )
    except OSError as error:
        names = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
        files = ", ".join(f"kafka.{name} = {getattr(kafka, name)}" for name in names if getattr(kafka, name))
        reason = getattr(error, "reason", None) or error.strerror or error
        raise KafkaConfigurationError(
            f"cannot use the PEM files {files} ({reason}): check that they are there"
        ) from error
    return context


_FORBIDDEN: dict[type[KafkaError], str] = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "cluster",
}


FORBIDDEN = tuple(_FORBIDDEN)
"""What Kafka answers where an ACL is missing."""


def reason(error: KafkaError) -> str:
    """What went wrong in words: an error's own, without the name and number that aiokafka puts before them."""
    said = error.args[0] if error.args else str(error)
    if (kind := _FORBIDDEN.get(type(error))) is None:
        return str(said)
    names = ", ".join(sorted(said)) if isinstance(said, set | frozenset | list | tuple) else said
    return f"this user may not use {kind} {names}: an ACL must allow it, docs/operate.md says which"


def execute(
    worker: Worker, ends_within_s: float, told: tuple[type[Exception], ...] = (KafkaError, OSError)
) -> NoReturn:
    """Run ``worker`` until it is stopped (exit status 0) or dies, or does not stop in time (1).

    Raises:
        Exception: what it died of, where that is one of ``told``, for the command line to put into words.
    """

    def without_traceback(record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], told):
            record.exc_info = None
        return True

    async def on_stop() -> None:
        end_within(ends_within_s)

    worker.logger.addFilter(without_traceback)
    worker.on_stop = on_stop  # before its services are stopped; mode has nothing there
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        if isinstance(ended.__context__, told):
            raise ended.__context__ from None
        raise
    raise SystemExit  # execute_from_commandline has exited already; mypy cannot know


@asynccontextmanager
async def explained(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Give a failed first connection within the block a message that names the cause and the setting to check.

    Raises:
        aiokafka.errors.KafkaConnectionError: instead of aiokafka's own; other errors go through as they are.
    """
    try:
        yield
    except KafkaConnectionError as error:
        cause = await diagnose(kafka, login_options(kafka))
        if cause is None:
            raise
        raise KafkaConnectionError(cause) from error


async def start(producer: AIOKafkaProducer) -> None:
    """Start it; what fails to start is closed, which aiokafka leaves undone."""
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise


@asynccontextmanager
async def started(producer: AIOKafkaProducer) -> AsyncIterator[None]:
    """As ``async with producer``, by way of :func:`start`."""
    await start(producer)
    try:
        yield
    finally:
        await producer.stop()


@asynccontextmanager
async def late_producer(kafka: KafkaSettings) -> AsyncIterator[Callable[[], Awaitable[AIOKafkaProducer]]]:
    """Yields a function that gives the one idempotent producer, connected when it is first asked for.

    So a program starts while Kafka is away. The function raises ``aiokafka.errors.KafkaError`` when it still is, and
    may be asked again.
    """
    producer: AIOKafkaProducer | None = None

    async def connected() -> AIOKafkaProducer:
        nonlocal producer
        if producer is None:
            fresh = AIOKafkaProducer(**producer_options(kafka), acks="all", enable_idempotence=True)
            async with explained(kafka):
                await start(fresh)
            producer = fresh
        return producer

    try:
        yield connected
    finally:
        if producer is not None:
            await producer.stop()


@asynccontextmanager
async def admin_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client, closed at the end.

    Raises:
        aiokafka.errors.KafkaConnectionError: Kafka cannot be reached; the message says why and what to check.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        async with explained(kafka):
            await admin.start()
        yield admin
    finally:
        await admin.close()
