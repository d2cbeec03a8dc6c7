"""Says why Kafka cannot be reached, and which setting to look at.

aiokafka tells of every failed first connection that it was "unable to bootstrap"; the cause it only logs. So after such
a failure one connection is made by hand, and its own error is put into words. Passwords are never part of them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from stream_app.kafka.tokens import TokenError
from stream_app.settings import KafkaSettings

_TIMEOUT_MS = 5_000
_OTHER_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_TOKENS = {
    "OAUTHBEARER": "kafka.token_command or kafka.token_file",
    "AWS_MSK_IAM": "kafka.aws_region, the AWS credentials and their policy",
}
_PASSWORD = "CRISIS_STREAM_KAFKA__SASL_PASSWORD"  # noqa: S105 - where it is, not what it is


async def diagnose(kafka: KafkaSettings, options: Mapping[str, Any]) -> str | None:
    """Why the first address that fails does so, in one sentence; None when one of them answers.

    Args:
        kafka: What to speak of.
        options: TLS and SASL for aiokafka, see :func:`stream_app.kafka.clients.login_options`.
    """
    answer = None
    for host, port, _ in collect_hosts(kafka.bootstrap_servers):
        try:
            connection = await create_conn(host, port, request_timeout_ms=_TIMEOUT_MS, **options)
        except (OSError, KafkaError, TimeoutError, asyncio.IncompleteReadError) as error:
            answer = answer or f"{host}:{port} {_why(kafka, error)}"
        else:
            connection.close()
            return None
    return answer


def _why(kafka: KafkaSettings, error: BaseException) -> str:  # noqa: PLR0911, C901 - a table
    protocol = kafka.security_protocol
    match error:
        case TokenError():
            return f"wants a token, and there is none: {error.args[0]}"
        case SaslAuthenticationFailed() | AuthenticationFailedError() if kafka.sasl_mechanism in _TOKENS:
            return f"refused the token: check {_TOKENS[kafka.sasl_mechanism]}, and whether the token has expired"
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return (
                f"refused user {kafka.sasl_username!r}: check kafka.sasl_username, the password in {_PASSWORD}, "
                f"and that the user exists for {kafka.sasl_mechanism}"
            )
        case UnsupportedSaslMechanismError():
            return f"does not take {kafka.sasl_mechanism}: check kafka.sasl_mechanism"
        case IllegalSaslStateError():
            return f"asks for no SASL here: kafka.security_protocol is {protocol}, should it be without SASL_?"
        case ssl.SSLCertVerificationError() if error.verify_code in _OTHER_NAME:
            return f"shows a certificate for another name ({error.verify_message}): check kafka.bootstrap_servers"
        case ssl.SSLCertVerificationError():
            return (
                f"shows a certificate that is not trusted ({error.verify_message}): "
                "check that kafka.ssl_cafile is the CA that signed the broker's"
            )
        case ssl.SSLError():
            return (
                f"does not speak TLS as asked ({error.reason}): check the port and kafka.security_protocol ({protocol})"
            )
        case ConnectionRefusedError():
            return "is not listening: check kafka.bootstrap_servers and that Kafka runs"
        case TimeoutError():
            return "does not answer: check kafka.bootstrap_servers, the network, and kafka.security_protocol"
        case OSError() if not isinstance(error, ConnectionError):
            return f"cannot be reached ({error.strerror or error}): check kafka.bootstrap_servers"
    shown = f"that it trusts kafka.ssl_certfile ({kafka.ssl_certfile or 'not set'}) if it asks for a client certificate"
    asked = f", and {shown}" if protocol.endswith("SSL") else ""
    return f"closed the connection: check that kafka.security_protocol ({protocol}) is what this port speaks{asked}"
