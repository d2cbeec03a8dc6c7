"""TLS and SASL against the project's own broker: what goes through, what is refused, and how the refusal reads."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
import trustme
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConfigurationError, KafkaConnectionError, UnknownTopicOrPartitionError
from aiokafka.protocol.admin import CreateAclsRequest
from commands import Command, run
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from factories import headers_of, make_event, make_place
from servers import Jetstream, serving

from stream_app.feedback.store import add_verdict
from stream_app.feedback.tables import read_counts
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.app import build_app
from stream_app.kafka.broker import LocalBroker, SecureListener, install
from stream_app.kafka.broker.distribution import CLUSTER_ID
from stream_app.kafka.clients import admin_client, producer_options
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.kafka.topics import ensure_topics
from stream_app.pipeline.events.event import Event
from stream_app.settings import KafkaSettings, Settings

USER, PASSWORD, WRONG = "crisis", "Corr3ct-h0rse", "Batt3ry-stap1e"
STORE = "changeit"

pytestmark = pytest.mark.kafka


def make_keys(folder: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """A broker's key store for ``address`` and the certificate (PEM) of the authority that signed it."""
    store, authority, signer = folder / "broker.p12", folder / "ca.pem", trustme.CA()
    issued = signer.issue_cert(address)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    own, *others = [x509.load_pem_x509_certificate(pem.bytes()) for pem in (*issued.cert_chain_pems, signer.cert_pem)]
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"broker", key, own, others, serialization.BestAvailableEncryption(STORE.encode())
        )
    )
    signer.cert_pem.write_to_path(str(authority))
    return store, authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("keys"))


def format_with_scram(folder: Path) -> None:
    """Storage as the broker makes it, with USER in it: brokers of the same name then use it."""
    properties = folder / "format.properties"
    properties.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
        "controller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n"
        f"log.dirs={folder / 'storage'}\n"
    )
    command = [*install().command("kafka.tools.StorageTool"), "format", "-t", CLUSTER_ID, "-c", str(properties)]
    for bits in (256, 512):
        command += ["-S", f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def locked(tmp_path_factory, authority) -> Iterator[LocalBroker]:
    """A broker with a SASL_SSL listener; USER logs in by PLAIN and by SCRAM."""
    folder = tmp_path_factory.mktemp("locked")
    format_with_scram(folder)
    listener = SecureListener(authority[0], STORE, {USER: PASSWORD}, unsecured_tokens=True)
    with LocalBroker(folder, secure=listener) as it:
        yield it


@pytest.fixture
def environment(locked, authority) -> dict[str, str]:
    """What a user sets to reach it, with topics of this test's own."""
    name = f"t{uuid.uuid4().hex[:8]}"
    mine = {
        "KAFKA__BOOTSTRAP_SERVERS": locked.secure_bootstrap_servers,
        "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA__SASL_USERNAME": USER,
        "KAFKA__SASL_PASSWORD": PASSWORD,
        "KAFKA__SSL_CAFILE": str(authority[1]),
        "KAFKA__PARTITIONS": "1",
        "TOPICS__PREFIX": f"{name}.",
        "WORKER__GROUP_ID": name,
        "WORKER__HTTP_PORT": "0",
        "MODEL__SOURCE": "fixed",
        "INCIDENTS__PUBLISH_EVERY_S": "0.5",
    }
    return {f"CRISIS_STREAM_{name}": value for name, value in mine.items()}


@pytest.fixture
def secure(environment, monkeypatch) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def call(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    done = run(*arguments, environment=environment)
    assert PASSWORD not in done.stdout + done.stderr
    assert WRONG not in done.stdout + done.stderr
    return done


def with_kafka(settings: Settings, **changed: object) -> Settings:
    kafka = type(settings.kafka)(**{**settings.kafka.__dict__, **changed})
    return settings.model_copy(update={"kafka": kafka})


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_each_mechanism_lets_the_right_password_in(secure, mechanism):
    mine = with_kafka(secure, sasl_mechanism=mechanism)
    await ensure_topics(mine)
    await add_verdict(mine, Verdict(event="e", labels={"damage": "mild_damage"}))
    read = [each async for each in subscribe(mine, [mine.topics.feedback], since=EPOCH, until_end=True)]
    assert [each.key for each in read] == ["e"]


def token(life_s: float = 600) -> str:
    """An unsigned one, which this broker takes."""
    claims = {"sub": USER, "iat": time.time() - 60, "exp": time.time() + life_s}
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def by_token(settings: Settings, **how: object) -> Settings:
    return with_kafka(settings, sasl_mechanism="OAUTHBEARER", sasl_username=None, sasl_password=None, **how)


async def test_a_token_lets_every_kind_of_client_in(secure, tmp_path):
    said = tmp_path / "answer.json"
    said.write_text(json.dumps({"access_token": token(), "expires_in": 600}))
    runs = tmp_path / "runs"
    mine = by_token(secure, token_command=f"sh -c 'echo >> {runs}; cat {said}'")
    await ensure_topics(mine)
    await add_verdict(mine, Verdict(event="e", labels={"damage": "mild_damage"}))
    read = [each async for each in subscribe(mine, [mine.topics.feedback], since=EPOCH, until_end=True)]
    assert [each.key for each in read] == ["e"]
    assert runs.read_text() == "\n"  # once for all of them


async def test_faust_logs_in_by_a_token_file(secure, environment, tmp_path):
    (tmp_path / "token").write_text(token())
    kept = {name: value for name, value in environment.items() if "KAFKA__SASL_" not in name}
    by_file = {"SASL_MECHANISM": "OAUTHBEARER", "TOKEN_FILE": str(tmp_path / "token")}
    async with running_incidents(kept | {f"CRISIS_STREAM_KAFKA__{name}": value for name, value in by_file.items()}):
        await incident_of_two_posts(by_token(secure, token_file=tmp_path / "token"))


async def test_a_token_that_is_missing_or_refused_is_told(secure, tmp_path):
    with pytest.raises(KafkaConnectionError, match=r"there is none: kafka.token_command \(false\) ended with status 1"):
        await ensure_topics(by_token(secure, token_command="false"))
    (tmp_path / "token").write_text(token(-1))
    with pytest.raises(KafkaConnectionError, match=r"refused the token: check kafka.token_command or kafka.token_file"):
        await ensure_topics(by_token(secure, token_file=tmp_path / "token"))


def test_replay_worker_watch_and_the_rest_work_over_tls_and_sasl(environment, tmp_path):
    posts = tmp_path / "posts.jsonl"
    fields = {"network": "other", "root_id": "1", "text": "the bridge collapsed", "created_at": "2026-03-01T00:00:00Z"}
    posts.write_text("".join(json.dumps(fields | {"id": str(i)}) + "\n" for i in range(5)) + "broken\n")
    assert "sent 6 posts" in call(environment, "replay", str(posts), "--quiet").stdout
    worker = call(environment, "worker", "--once-idle", "1", "--log-level", "DEBUG")
    assert worker.returncode == 0, worker.stderr
    watched = call(environment, "watch", "events", "--format", "jsonl", "--no-follow")
    assert len(watched.stdout.splitlines()) == 5
    event = json.loads(watched.stdout.splitlines()[0])["data"]["id"]
    assert "1 dead letters, parse 1" in call(environment, "dead-letters", "list").stdout
    assert "1 sent" in call(environment, "dead-letters", "redrive").stdout
    assert call(environment, "feedback", "add", event, "--damage", "mild_damage").returncode == 0
    assert "mild_damage" in call(environment, "feedback", "list").stdout
    again = call(environment, "replay", "--from-topic", environment["CRISIS_STREAM_TOPICS__PREFIX"] + "posts",
                 "--prefix", environment["CRISIS_STREAM_TOPICS__PREFIX"] + "drill.", "--quiet")  # fmt: skip
    assert "sent 7 posts" in again.stdout, again.stderr


async def incident_of_two_posts(settings: Settings) -> None:
    """Wait until ``incidents``, which somebody has started, make one."""
    await ensure_topics(settings)
    async with AIOKafkaProducer(**producer_options(settings.kafka)) as producer:
        for event in (make_event("a", author="A", place=make_place()),
                      make_event("b", "Roofs gone", author="B", place=make_place(6.95))):  # fmt: skip
            await producer.send_and_wait(settings.topics.events, event.model_dump_json().encode(), key=b"k")
    async with asyncio.timeout(60):
        async for received in subscribe(settings, [settings.topics.incidents], since=EPOCH):
            if json.loads(received.value)["post_count"] == 2:
                break


async def test_faust_keeps_incidents_over_tls_and_sasl(secure, environment):
    process = Command("incidents", "--log-level", "debug", environment=environment)
    saying = asyncio.create_task(asyncio.to_thread(process.communicate))
    try:
        await incident_of_two_posts(secure)
    finally:
        process.send_signal(signal.SIGTERM)
        said = await saying
    assert PASSWORD not in "".join(said)


def test_a_workers_pages_and_its_log_at_debug_show_no_secret(environment, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"http://127.0.0.1:{free.getsockname()[1]}"
    mine = environment | {"CRISIS_STREAM_WORKER__HTTP_PORT": at.rpartition(":")[2]}
    with (tmp_path / "log").open("wb") as log:
        process = Command("worker", "--log-level", "DEBUG", environment=mine, log=log)
    try:
        deadline, pages = time.monotonic() + 60, b""
        while b"ok" not in pages:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                pages = urllib.request.urlopen(f"{at}/readyz", timeout=5).read()
        for path in ("healthz", "metrics"):
            pages += urllib.request.urlopen(f"{at}/{path}", timeout=5).read()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    said = (tmp_path / "log").read_bytes()
    assert b"crisis_stream_model_info" in pages
    assert b"assigned partitions" in said
    assert PASSWORD.encode() not in pages + said


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"SASL_PASSWORD": WRONG}, "refused user 'crisis'"),
        ({"SASL_PASSWORD": WRONG, "SASL_MECHANISM": "PLAIN"}, "the password in CRISIS_STREAM_KAFKA__SASL_PASSWORD"),
        ({"SSL_CAFILE": "other"}, "check that kafka.ssl_cafile is the CA that signed the broker's"),
        ({"SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, r"check that kafka.security_protocol (SASL_PLAINTEXT)"),
    ],
)
def test_a_refusal_says_what_to_check_whichever_command(environment, tmp_path, changed, expected):
    mine = dict(environment)
    for name, value in changed.items():
        mine[f"CRISIS_STREAM_KAFKA__{name}"] = str(make_keys(tmp_path)[1]) if value == "other" else value
    (tmp_path / "posts.jsonl").write_text("{}\n")
    for command in (
        ["worker"],
        ["replay", str(tmp_path / "posts.jsonl"), "--quiet"],
        ["watch", "--no-follow"],
        ["incidents"],
        ["dead-letters", "list"],
        ["feedback", "add", "e", "--damage", "mild_damage"],
    ):
        done = call(mine, *command)
        assert done.returncode == 1, command
        assert expected in done.stderr, f"{command}: {done.stderr}"
        assert "Traceback" not in done.stderr, f"{command}: {done.stderr}"


async def test_a_certificate_for_another_name_is_told_from_an_untrusted_one(secure, tmp_path):
    store, ca = make_keys(tmp_path, "kafka.example")
    with LocalBroker(tmp_path / "kafka", secure=SecureListener(store, STORE, {USER: PASSWORD})) as other:
        mine = with_kafka(secure, ssl_cafile=ca, bootstrap_servers=other.secure_bootstrap_servers)
        with pytest.raises(KafkaConnectionError, match=r"for another name .* check kafka.bootstrap"):
            await ensure_topics(mine)


async def test_a_closed_port_and_a_plain_port_are_told(secure, locked):
    plain = with_kafka(secure, bootstrap_servers=locked.bootstrap_servers)
    with pytest.raises(KafkaConnectionError, match=r"check .*kafka.security_protocol"):
        await ensure_topics(plain)
    closed = with_kafka(secure, bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaConnectionError, match=r"is not listening: check kafka.bootstrap_servers"):
        await ensure_topics(closed)


async def test_a_file_that_is_no_certificate_is_named(secure, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(KafkaConfigurationError, match=r"kafka.ssl_cafile = .*ca\.pem"):
        await ensure_topics(with_kafka(secure, ssl_cafile=tmp_path / "ca.pem"))


def test_the_password_is_in_no_repr_and_no_help(secure, environment, locked):
    app = build_app(secure)
    for thing in (secure, secure.kafka, app, app.conf.broker_credentials, locked.secure):
        assert PASSWORD not in f"{thing!r}{thing}"
    for command in ((), ("worker",), ("watch",), ("broker",)):
        assert call(environment, *command, "--help").returncode == 0
    assert call(environment, "faust", "tables").returncode == 0


POST = '{"network": "other", "id": "1", "text": "the bridge collapsed", "created_at": "2026-03-01T00:00:00Z"}'
TOPIC, GROUP, TRANSACTIONAL_ID, EXACT, PREFIX, READ, WRITE, ALLOW = 2, 3, 5, 3, 4, 3, 4, 3  # Kafka's numbers for them


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, authority, clients) -> Iterator[LocalBroker]:
    """A broker that wants a client certificate and a password, and lets USER do what its ACLs allow."""
    folder = tmp_path_factory.mktemp("guarded")
    clients.cert_pem.write_to_path(str(folder / "clients.pem"))
    listener = SecureListener(authority[0], STORE, {USER: PASSWORD}, client_authority=folder / "clients.pem", acls=True)
    with LocalBroker(folder / "kafka", secure=listener) as it:
        yield it


def certificate(folder: Path, signer: trustme.CA) -> dict[str, str]:
    """The settings of a client with a certificate that ``signer`` signed."""
    issued, names = signer.issue_cert("crisis@example.org"), {"CERTFILE": "cert.pem", "KEYFILE": "key.pem"}
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    return {f"CRISIS_STREAM_KAFKA__SSL_{name}": str(folder / file) for name, file in names.items()}


@pytest.fixture
def guest(environment, guarded) -> dict[str, str]:
    """What a user sets to reach the guarded broker, but for the certificate."""
    changed = {"BOOTSTRAP_SERVERS": guarded.secure_bootstrap_servers, "SASL_MECHANISM": "PLAIN"}
    mine = {f"CRISIS_STREAM_KAFKA__{name}": value for name, value in changed.items()}
    return environment | mine | {"CRISIS_STREAM_WORKER__REPLICA": "one"}


def plainly(environment: Mapping[str, str], broker: LocalBroker) -> dict[str, str]:
    """The same at the plain listener, where everybody may do everything."""
    kept = {name: value for name, value in environment.items() if "KAFKA__" not in name}
    return kept | {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "CRISIS_STREAM_KAFKA__PARTITIONS": "1",
    }


def allow(broker: LocalBroker, kind: int, name: str, pattern: int, operation: int) -> None:
    async def ask() -> None:
        async with admin_client(KafkaSettings(bootstrap_servers=broker.bootstrap_servers)) as admin:
            request = CreateAclsRequest(kind, name, pattern, f"User:{USER}", "*", operation, ALLOW)
            answer = await admin._client.send(1, request)
            assert answer.creation_responses == [(0, "")]

    asyncio.run(ask())


def test_a_worker_needs_the_certificate_and_the_acls_that_the_docs_name_and_no_more(guarded, guest, clients, tmp_path):
    prefix, group = guest["CRISIS_STREAM_TOPICS__PREFIX"], guest["CRISIS_STREAM_WORKER__GROUP_ID"]
    posts = tmp_path / "posts.jsonl"
    posts.write_text(POST + '\nbroken\n{"event": "delete", "payload": "113"}\n')
    plain = plainly(guest, guarded)
    assert "sent 3 posts" in call(plain, "replay", str(posts), "--quiet").stdout
    mine = guest | certificate(tmp_path, clients)
    steps = [
        (f"transactional id {prefix}{group}.one", [(TRANSACTIONAL_ID, f"{prefix}{group}.one", EXACT, WRITE)]),
        (f"topic {prefix}posts", [(TOPIC, f"{prefix}posts", EXACT, READ)]),
        (f"group {group}", [(GROUP, group, EXACT, READ)]),
        (f"topic {prefix}", [(TOPIC, f"{prefix}{name}", PREFIX, WRITE) for name in ("events", "alerts.", "dead")]),
    ]
    for refused, rules in steps:
        done = call(mine, "worker", "--once-idle", "1")
        assert done.returncode == 1
        assert f"crisis-stream: Kafka: this user may not use {refused}" in done.stderr, (refused, done.stderr)
        for rule in rules:
            allow(guarded, *rule)
    done = call(mine, "worker", "--once-idle", "1")
    assert done.returncode == 0, done.stderr
    events = call(plain, "watch", "--no-follow", "--format", "jsonl").stdout.splitlines()
    ids = sorted(json.loads(line)["data"]["post"]["id"] for line in events)  # of two partitions, in whatever order
    assert ids == ["1", "113"], "and a deletion, without Read"
    refused = call(mine, "watch", "--no-follow")
    assert refused.returncode == 1
    assert f"this user may not use topic {prefix}events: an ACL must allow it" in refused.stderr


def test_every_other_command_needs_the_acls_that_the_docs_name(guarded, guest, clients, tmp_path):
    prefix = guest["CRISIS_STREAM_TOPICS__PREFIX"]
    posts, plain, mine = tmp_path / "posts.jsonl", plainly(guest, guarded), guest | certificate(tmp_path, clients)
    posts.write_text(POST + "\nbroken\n")
    verdict = ["feedback", "add", labelled(plain, posts), "--damage", "mild_damage"]
    assert call(plain, *verdict).returncode == 0
    forget = ["forget", "other/1"]
    replays = [
        (TRANSACTIONAL_ID, "crisis-stream.replay.", PREFIX, WRITE),
        (GROUP, "crisis-stream.replay.", PREFIX, READ),
    ]
    steps = [
        (["watch", "--no-follow"], [(TOPIC, f"{prefix}events", EXACT, READ)]),
        (["dead-letters", "list"], [(TOPIC, f"{prefix}dead-letters", EXACT, READ)]),
        (["replay", str(posts), "--quiet"], replays),
        (["replay", str(posts), "--quiet"], [(TOPIC, f"{prefix}posts", EXACT, WRITE)]),
        (["replay", str(posts), "--quiet"], [(TOPIC, f"{prefix}posts", EXACT, READ)]),
        (["dead-letters", "redrive"], [(TRANSACTIONAL_ID, f"{prefix}redrive", EXACT, WRITE)]),
        (verdict, [(TOPIC, f"{prefix}feedback", EXACT, WRITE)]),
        (["feedback", "list"], [(TOPIC, f"{prefix}feedback", EXACT, READ)]),
        (forget, [(TRANSACTIONAL_ID, f"{prefix}forget", EXACT, WRITE)]),
        (forget, [(TOPIC, f"{prefix}alerts.", PREFIX, READ)]),
        (forget, [(TOPIC, f"{prefix}{name}", PREFIX, WRITE) for name in ("events", "alerts.")]),
    ]
    for command, rules in steps:
        refused = call(mine, *command)
        assert refused.returncode == 1, f"{command}: {refused.stderr}"
        assert re.search(r"this user may not use|ask for an ACL", refused.stderr), f"{command}: {refused.stderr}"
        assert "Traceback" not in refused.stderr, f"{command}: {refused.stderr}"
        assert "Unclosed" not in refused.stderr, f"{command}: {refused.stderr}"
        for rule in rules:
            allow(guarded, *rule)
    for command in dict.fromkeys(tuple(command) for command, _ in steps):
        done = call(mine, *command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert "1 events of 1 posts and 0 reposts taken back" in done.stdout


async def test_a_source_needs_the_acls_that_the_docs_name(guarded, guest, clients, tmp_path):
    prefix, mine = guest["CRISIS_STREAM_TOPICS__PREFIX"], guest | certificate(tmp_path, clients)
    steps = [
        (TRANSACTIONAL_ID, f"{prefix}source.bluesky", EXACT, WRITE),
        (GROUP, f"{prefix}source.bluesky", EXACT, READ),
        (TOPIC, f"{prefix}posts", EXACT, WRITE),
        (TOPIC, f"{prefix}posts", EXACT, READ),
    ]
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=guarded.bootstrap_servers, partitions=1), topics={"prefix": prefix}
    )
    await ensure_topics(settings)
    async with serving(Jetstream(rate=200).routes()) as address:
        mine |= {"CRISIS_STREAM_SOURCES__BLUESKY__HOSTS": f'["ws://{address}/subscribe"]'}
        mine |= {"CRISIS_STREAM_SOURCES__HTTP_PORT": "0"}
        for rule in steps:
            refused = await asyncio.to_thread(call, mine, "source", "bluesky")
            assert refused.returncode == 1, f"{rule}: {refused.stderr}"
            assert "this user may not use" in refused.stderr, f"{rule}: {refused.stderr}"
            assert "Traceback" not in refused.stderr, f"{rule}: {refused.stderr}"
            await asyncio.to_thread(allow, guarded, *rule)
        command = [sys.executable, "-m", "stream_app", "source", "bluesky"]
        running = await asyncio.to_thread(subprocess.Popen, command, env=mine, stderr=subprocess.PIPE, text=True)
        try:
            async with asyncio.timeout(60):
                async for _ in subscribe(settings, [settings.topics.posts], since=EPOCH):
                    break
            running.send_signal(signal.SIGTERM)
            _, said = await asyncio.to_thread(running.communicate, timeout=30)
        finally:
            running.kill()
    assert running.returncode == 0, said


async def test_incidents_need_the_acls_that_the_docs_name_and_may_find_their_topics_made(
    guarded, guest, clients, tmp_path
):
    prefix, mine = guest["CRISIS_STREAM_TOPICS__PREFIX"], guest | certificate(tmp_path, clients)
    app, event = f"{prefix}crisis-stream-incidents", make_event("a", damage="mild_damage")
    plain = Settings(
        kafka=KafkaSettings(bootstrap_servers=guarded.bootstrap_servers, partitions=1), topics={"prefix": prefix}
    )
    await ensure_topics(plain)
    refused = await asyncio.to_thread(call, mine, "incidents")
    assert refused.returncode == 1
    assert f"this user may not use topic {app}-" in refused.stderr
    assert "Traceback" not in refused.stderr
    async with AIOKafkaProducer(**producer_options(plain.kafka)) as producer:
        await producer.send_and_wait(plain.topics.events, event.model_dump_json().encode(), headers=headers_of(event))
    async with running_incidents(plainly(guest, guarded)) as process:  # makes its topics, one after the other
        await counted(plain, process, event, "mild_damage")
    rules = [
        (GROUP, app, EXACT, READ),
        *((TOPIC, f"{prefix}{name}", EXACT, READ) for name in ("events", "feedback")),
        *((TOPIC, f"{prefix}{name}", EXACT, WRITE) for name in ("incidents", "emerging")),
        *((TOPIC, f"{app}-", PREFIX, operation) for operation in (READ, WRITE)),
    ]
    for rule in rules:
        await asyncio.to_thread(allow, guarded, *rule)
    async with running_incidents(mine) as process:
        await counted(plain, process, event, "severe_damage")


def labelled(environment: Mapping[str, str], posts: Path) -> str:
    """The id of the one event that the file of posts gives."""
    assert call(environment, "replay", str(posts), "--quiet").returncode == 0
    assert call(environment, "worker", "--once-idle", "1").returncode == 0
    (event,) = call(environment, "watch", "--no-follow", "--format", "jsonl").stdout.splitlines()
    return str(json.loads(event)["data"]["id"])


@contextlib.asynccontextmanager
async def running_incidents(environment: Mapping[str, str]) -> AsyncIterator[Command]:
    process = Command("incidents", environment=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate, timeout=30)


async def counted(settings: Settings, process: Command, event: Event, right: str) -> None:
    """Say that the damage of ``event`` is ``right`` and wait until ``incidents`` has counted it."""
    await add_verdict(settings, Verdict(event=event.id, analyst="A", labels={"damage": right}))
    async with asyncio.timeout(120):
        while True:
            assert process.poll() is None, process.stderr.read()
            with contextlib.suppress(UnknownTopicOrPartitionError):
                if right in {each.right for each in await read_counts(settings)}:
                    return
            await asyncio.sleep(0.2)


def test_a_client_certificate_that_is_missing_or_not_trusted_is_named(guest, tmp_path):
    other = certificate(tmp_path, trustme.CA())
    for mine, shown in ((guest, "not set"), (guest | other, other["CRISIS_STREAM_KAFKA__SSL_CERTFILE"])):
        done = call(mine, "worker", "--once-idle", "1")
        assert done.returncode == 1
        assert f"trusts kafka.ssl_certfile ({shown}) if it asks for a client certificate" in done.stderr
        assert "Traceback" not in done.stderr
