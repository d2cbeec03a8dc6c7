"""A second listener with TLS and SASL, to try such settings against a real broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class SecureListener:
    """SASL_SSL on 127.0.0.1. ``users`` log in by PLAIN; SCRAM users are added with Kafka's own tools.

    Args:
        keystore: PKCS #12 with the broker's key and certificate chain.
        keystore_password: Opens it.
        users: Password by name; neither may hold a double quote.
        port: 0 picks a free one.
        client_authority: PEM; clients must show a certificate that it signed, beside their password.
        unsecured_tokens: Whoever shows an unsigned JWT logs in as its ``sub`` (OAUTHBEARER), for trying tokens only.
        acls: Users may do what access control lists allow them; who comes to the plain listener may do everything.
    """

    keystore: Path
    keystore_password: str = field(repr=False)
    users: Mapping[str, str] = field(repr=False)
    port: int = 0
    client_authority: Path | None = None
    acls: bool = False
    unsecured_tokens: bool = False

    def properties(self) -> str:
        """Lines for the broker's settings; its ``listeners`` not among them."""
        more = ""
        if self.client_authority is not None:
            more += (
                "listener.name.sasl_ssl.ssl.client.auth=required\n"
                f"ssl.truststore.type=PEM\nssl.truststore.location={self.client_authority.resolve()}\n"
            )
        if self.acls:
            more += (
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
                "super.users=User:ANONYMOUS\n"
            )
        mechanisms = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
        if self.unsecured_tokens:
            mechanisms += ",OAUTHBEARER"
            more += (
                f"listener.name.sasl_ssl.oauthbearer.sasl.jaas.config={_MODULES}.oauthbearer.OAuthBearerLoginModule "
                'required unsecuredLoginStringClaim_sub="broker";\n'
                "listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms=60000\n"
            )
        users = "".join(f' user_{name}="{password}"' for name, password in self.users.items())
        return (
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL\n"
            f"sasl.enabled.mechanisms={mechanisms}\n"
            f"listener.name.sasl_ssl.plain.sasl.jaas.config={_MODULES}.plain.PlainLoginModule required{users};\n"
            f"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;\n"
            f"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;\n"
            f"ssl.keystore.type=PKCS12\nssl.keystore.location={self.keystore.resolve()}\n"
            f"ssl.keystore.password={self.keystore_password}\n"
            f"{more}"
        )
