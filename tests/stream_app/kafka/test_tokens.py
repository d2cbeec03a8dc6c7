"""Tokens are got by command, from a file or signed for MSK, kept while they are good, and never told."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time

import pytest
from aiokafka.errors import KafkaConfigurationError
from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka import tokens
from stream_app.kafka.clients import login_options
from stream_app.kafka.inside_faust import credentials
from stream_app.kafka.tokens import Token, TokenError, Tokens, from_command, from_file, read, signed, tokens_of
from stream_app.settings import KafkaSettings


def jwt(**claims):
    """An unsigned one, as RFC 7519, 6.1 has it."""
    parts = [{"alg": "none"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_a_bare_token_ends_when_it_says():
    assert read(jwt(sub="me", exp=2_000_000_000).encode() + b"\n", "it") == (jwt(sub="me", exp=2_000_000_000), 2e9)


def test_a_token_that_does_not_say_is_kept_for_some_minutes():
    value, until = read(b"opaque", "it")
    assert value == "opaque"
    assert 0 < until - time.time() <= 300


def test_the_sooner_of_two_ends_counts():
    answer = json.dumps({"access_token": jwt(exp=time.time() + 50), "expires_in": 3600}).encode()
    assert read(answer, "it").until - time.time() < 51
    answer = json.dumps({"access_token": jwt(exp=time.time() + 3600), "expires_in": "50"}).encode()
    assert read(answer, "it").until - time.time() < 51


@pytest.mark.parametrize(
    "said", [b"", b"\n", b"two words", b"{", b"{}", b'{"access_token": 5}', b"a\x01b", "\u00e9".encode()]
)
def test_what_is_no_token_is_told_without_showing_it(said):
    with pytest.raises(TokenError, match="it gives") as error:
        read(said, "it")
    assert "words" not in str(error.value)


@given(st.binary(max_size=200))
def test_whatever_a_command_prints_is_a_token_or_told(said):
    try:
        token = read(said, "it")
    except TokenError:
        return
    assert token.value
    assert token.until < float("inf")


async def test_a_token_is_kept_until_most_of_its_life_is_over(monkeypatch):
    now, got = [1000.0], []

    def get():
        got.append(now[0])
        return Token(f"t{len(got)}", now[0] + 100)

    monkeypatch.setattr(tokens.time, "time", lambda: now[0])
    mine = Tokens(get)
    assert await asyncio.gather(*(mine.token() for _ in range(5))) == ["t1"] * 5
    now[0] = 1079
    assert await mine.token() == "t1"
    now[0] = 1081
    assert await mine.token() == "t2"
    assert "t2" not in repr(mine)


async def test_where_no_new_one_can_be_had_the_old_one_serves_to_its_end(monkeypatch, caplog):
    now, answers = [1000.0], [Token("old", 1100.0)]

    def get():
        if answers:
            return answers.pop()
        raise TokenError("the server is away")

    monkeypatch.setattr(tokens.time, "time", lambda: now[0])
    mine = Tokens(get)
    await mine.token()
    now[0] = 1090
    assert await mine.token() == "old"
    assert "the old one is good for 10 s: the server is away" in caplog.text
    now[0] = 1100
    with pytest.raises(TokenError, match="the server is away"):
        await mine.token()


def test_a_command_is_run_without_a_shell():
    token = jwt(exp=2_000_000_000)
    assert from_command(f"{sys.executable} -c 'import sys; print(sys.argv[1])' '{token}'").value == token


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/nonexistent/program --now", r"kafka.token_command \(/nonexistent/program\) cannot be run"),
        ("sh -c 'echo no such realm >&2; exit 3'", "ended with status 3: no such realm"),
        ("printf ''", "gives no token"),
        ("'", "cannot be run: No closing quotation"),
        ("", "cannot be run"),
    ],
)
def test_a_command_that_gives_none_is_told(command, said):
    with pytest.raises(TokenError, match=said):
        from_command(command)


async def test_a_file_is_read_anew_for_each_connection(tmp_path):
    path = tmp_path / "token"
    with pytest.raises(TokenError, match=r"kafka.token_file \(.*token\) cannot be read: No such file"):
        from_file(path)
    mine = tokens_of(KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", token_file=path))
    for token in ("one", "two"):
        path.write_text(token)
        assert await mine.token() == token


def test_all_clients_of_a_process_share_one():
    kafka = KafkaSettings(security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER", token_command="tokens")
    first, second = login_options(kafka), login_options(kafka.model_copy())
    assert first["sasl_mechanism"] == "OAUTHBEARER"
    assert first["sasl_oauth_token_provider"] is second["sasl_oauth_token_provider"]
    assert credentials(kafka).oauth_cb is first["sasl_oauth_token_provider"]
    assert tokens_of(KafkaSettings()) is None


def test_a_token_for_msk_is_signed_with_the_credentials_that_aws_finds(monkeypatch):
    pytest.importorskip("aws_msk_iam_sasl_signer")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    value, until = signed(tokens._signer(), "eu-west-1")
    url = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    assert url.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert "AKIDEXAMPLE" in url
    assert "wJalrXUtnFEMI" not in url
    assert 0 < until - time.time() <= 900


def test_without_aws_credentials_it_says_so():
    class Nobody:
        @staticmethod
        def generate_auth_token(region):
            raise RuntimeError("Unable to locate credentials")

    with pytest.raises(TokenError, match="no AWS credentials to sign with in eu-west-1: Unable to locate"):
        signed(Nobody, "eu-west-1")


def test_without_the_package_for_msk_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    kafka = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="AWS_MSK_IAM", aws_region="none-such")
    with pytest.raises(KafkaConfigurationError, match=r"pip install 'crisis-stream\[msk\]'"):
        tokens_of(kafka)
