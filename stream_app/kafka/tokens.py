"""Tokens to log in with: of a command that prints one, of a file, or signed for Amazon's MSK.

A token is kept until four fifths of its life are over (as Java's clients do: sasl.login.refresh.window.factor); where a
new one cannot be had, the old one serves to its end. Kafka ends a connection when its token does
(connections.max.reauth.ms, KIP-368), and aiokafka connects again with the token of that moment.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import json
import logging
import math
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConfigurationError, KafkaConnectionError

from stream_app.kafka.inside_aiokafka import hear_refusals
from stream_app.settings import KafkaSettings

logger = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_UNKNOWN_S = 300.0
"""How long a token is kept that does not say for how long it is good."""
_USED = 0.8
_SHOWN = 300


class TokenError(KafkaConnectionError):
    """There is no token to log in with; the message says why and which setting to check."""


class Token(NamedTuple):
    """What Kafka is shown, and until when it takes it (``time.time``)."""

    value: str
    until: float


@dataclass(eq=False)
class Tokens(AbstractTokenProvider):
    """Gives aiokafka a token that is still good; for any number of clients, on any thread and event loop.

    Args:
        get: Gets a new one; may take its time.
    """

    get: Callable[[], Token]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _kept: Token = field(default=Token("", 0.0), repr=False)
    _fresh_until: float = field(default=0.0, repr=False)

    async def token(self) -> str:
        """The token.

        Raises:
            TokenError: there is none.
        """
        return await asyncio.to_thread(self._now)

    def _now(self) -> str:
        with self._lock:
            now = time.time()
            if now >= self._fresh_until:
                try:
                    self._kept = self.get()
                    self._fresh_until = now + _USED * (self._kept.until - now)
                except TokenError as error:
                    if now >= self._kept.until:
                        raise
                    logger.warning(
                        "no new token, the old one is good for %.0f s: %s", self._kept.until - now, error.args[0]
                    )
            return self._kept.value


@functools.lru_cache(maxsize=8)
def tokens_of(kafka: KafkaSettings) -> Tokens | None:
    """The tokens that these settings log in with, shared by all clients of the process; None for a password.

    Raises:
        aiokafka.errors.KafkaConfigurationError: the package for MSK is not installed.
    """
    if kafka.sasl_mechanism == "AWS_MSK_IAM":
        hear_refusals()
        return Tokens(functools.partial(signed, _signer(), kafka.aws_region or ""))
    if kafka.sasl_mechanism != "OAUTHBEARER":
        return None
    hear_refusals()
    if kafka.token_file is not None:
        return Tokens(functools.partial(from_file, kafka.token_file))
    return Tokens(functools.partial(from_command, kafka.token_command or ""))


def from_command(command: str) -> Token:
    """What a command prints: a token, or the JSON that OAuth servers answer with (RFC 6749, 5.1). No shell is used.

    Raises:
        TokenError: it cannot be run, fails, or prints no token.
    """
    name = f"kafka.token_command ({command.split(maxsplit=1)[0] if command.strip() else 'empty'})"
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError, IndexError) as error:
        raise TokenError(f"{name} cannot be run: {error}") from None
    except subprocess.TimeoutExpired:
        raise TokenError(f"{name} did not end within {_TIMEOUT_S:g} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-_SHOWN:]
        raise TokenError(f"{name} ended with status {done.returncode}{': ' if said else ''}{said}")
    return read(done.stdout, name)


def from_file(path: Path) -> Token:
    """What a file holds now; it is good until it is asked again, since whoever writes it replaces it in time.

    Raises:
        TokenError: it cannot be read, or holds no token.
    """
    name = f"kafka.token_file ({path})"
    try:
        return read(path.read_bytes(), name)._replace(until=0.0)
    except OSError as error:
        raise TokenError(f"{name} cannot be read: {error.strerror}") from None


def read(said: bytes, name: str) -> Token:
    """A token, bare or in OAuth's JSON, with its end: what the JSON says, or a JWT's own ``exp`` (RFC 7519, 4.1.4).

    Raises:
        TokenError: it is neither; the message tells ``name`` and nothing of the content.
    """
    text, until = said.decode("utf-8", "replace").strip(), math.inf
    if text.startswith("{"):
        try:
            answer = json.loads(text)
            text = answer["access_token"]
            until = time.time() + float(answer.get("expires_in", math.inf))
        except (ValueError, KeyError, TypeError):
            raise TokenError(f"{name} gives JSON without an access_token") from None
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable() or " " in text:
        raise TokenError(f"{name} gives no token: one line of printable characters is expected")
    until = min(until, _expiry(text))
    return Token(text, until if math.isfinite(until) else time.time() + _UNKNOWN_S)


def _expiry(token: str) -> float:
    """When a JWT says that it ends; unsigned here, as elsewhere it is the broker who checks it."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return math.inf


def signed(signer: Any, region: str) -> Token:
    """A token for Amazon's MSK, signed with the AWS credentials that are found as any AWS program finds them.

    Raises:
        TokenError: there are no credentials, or they cannot be had.
    """
    try:
        value, until_ms = signer.generate_auth_token(region)
    except Exception as error:  # noqa: BLE001 - botocore has some forty, and no word of ours for any
        raise TokenError(f"no AWS credentials to sign with in {region}: {error}") from None
    return Token(value, until_ms / 1000)


def _signer() -> Any:
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError:
        raise KafkaConfigurationError(
            "kafka.sasl_mechanism AWS_MSK_IAM needs a package more: pip install 'crisis-stream[msk]'"
        ) from None
    return MSKAuthTokenProvider
