"""Every setting, read once at the top and passed down. Nothing below reads the environment.

Sources, first wins: arguments, ``CRISIS_STREAM_*`` environment variables (``__`` between section and name, as in
``CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS``), ``crisis-stream.toml`` in the working folder, the defaults here.
"""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "local"


class Section(BaseModel):
    """A frozen group of settings; an unknown name is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KafkaSettings(Section):
    """How to reach Kafka. Secrets are ``SecretStr``: they print as stars."""

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    token_command: str | None = Field(
        None, description="for OAUTHBEARER: prints a token, or OAuth's JSON; run again before the token expires"
    )
    token_file: Path | None = Field(None, description="for OAUTHBEARER: holds the token, read for each connection")
    aws_region: str | None = Field(None, description="for AWS_MSK_IAM: the region of the cluster")
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_key_password: SecretStr | None = None
    session_timeout_s: float = Field(10.0, gt=0, description="a silent worker's partitions move after this")
    transaction_timeout_s: float = Field(
        8.0,
        gt=0,
        description="below the session: a stalled worker is fenced before its successor reads",
    )
    partitions: int = Field(4, ge=1, description="partitions of topics this program creates")
    replication_factor: int = Field(1, ge=1)
    compression: Literal["zstd", "lz4", "snappy", "gzip", "none"] = Field(
        "zstd", description="of what is written, and of the topics this program creates"
    )
    client_rack: str | None = Field(None, description="read from a replica of this rack (broker.rack), if there is one")
    metadata_max_age_s: float = Field(
        20.0, gt=0, description="a topic that was deleted, made anew or widened is noticed after so long"
    )

    @model_validator(mode="after")
    def _whole_login(self) -> Self:
        if not self.security_protocol.startswith("SASL"):
            return self
        match self.sasl_mechanism:
            case "OAUTHBEARER":
                if (self.token_command is None) == (self.token_file is None):
                    raise ValueError("OAUTHBEARER needs either kafka.token_command or kafka.token_file")
            case "AWS_MSK_IAM":
                if self.security_protocol != "SASL_SSL" or not self.aws_region:
                    raise ValueError("AWS_MSK_IAM needs kafka.aws_region, and SASL_SSL as kafka.security_protocol")
            case _ if not (self.sasl_username and self.sasl_password):
                raise ValueError(
                    f"{self.security_protocol} needs kafka.sasl_username, and the password in "
                    "CRISIS_STREAM_KAFKA__SASL_PASSWORD"
                )
        return self


class TopicSettings(Section):
    """Topic names. ``prefix`` goes before every name; an isolated replay uses a prefix of its own."""

    prefix: str = "crisis."

    @property
    def posts(self) -> str:
        """Feed of posts, in."""
        return f"{self.prefix}posts"

    @property
    def events(self) -> str:
        """Every labelled post."""
        return f"{self.prefix}events"

    def alerts(self, task: str) -> str:
        """Events that pass one task's alert rule; ``task`` is a concept name."""
        return f"{self.prefix}alerts.{task}"

    @property
    def incidents(self) -> str:
        """Posts that belong together, one updating entity each; compacted."""
        return f"{self.prefix}incidents"

    @property
    def emerging(self) -> str:
        """Words, places and photos that many speak of at once; compacted."""
        return f"{self.prefix}emerging"

    @property
    def dead_letters(self) -> str:
        """What could not be processed."""
        return f"{self.prefix}dead-letters"

    @property
    def feedback(self) -> str:
        """Analysts' verdicts, in."""
        return f"{self.prefix}feedback"

    @property
    def decisions(self) -> str:
        """What people do with incidents: their acts, in one partition and so in one order, kept for good."""
        return f"{self.prefix}decisions"

    @property
    def notices(self) -> str:
        """What ``notify`` has told and is about to tell; compacted."""
        return f"{self.prefix}notices"


class RegistrySettings(Section):
    """The Schema Registry whose schemas the feed's records name, by Confluent's protocol."""

    url: str | None = Field(None, pattern=r"^https?://", description="such as https://registry.example:8081")
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = Field(None, description="a bearer token, instead of username and password")
    ca: Path | None = Field(None, description="PEM of the authority that signed the registry's certificate")


class FeedSettings(Section):
    """How what stands in the feed is read, where the formats known here do not suffice (docs/formats.md)."""

    network: Literal["x", "bluesky", "mastodon", "other"] = Field("other", description="network of mapped posts")
    mapping: dict[str, str | dict[str, str]] = Field(
        {}, description="JMESPath expressions for facts of a post, to read JSON in a format of your own"
    )
    registry: RegistrySettings = RegistrySettings()

    @property
    def paths(self) -> dict[str, str]:
        """The mapping with dotted names: ``place.name``."""
        return {
            f"{name}.{inner}" if inner else name: path
            for name, paths in self.mapping.items()
            for inner, path in (paths.items() if isinstance(paths, dict) else [("", paths)])
        }


class PostSettings(Section):
    """How posts are read."""

    author_salt: SecretStr | None = Field(
        None,
        description="a secret for authors' keys, so that nobody can compute them from the networks' ids; in "
        "CRISIS_STREAM_POSTS__AUTHOR_SALT, the same for all workers and for `forget`",
    )


class PlaceSettings(Section):
    """How places are read from texts."""

    gazetteer: Path | None = Field(
        None,
        description="a file of your own with places of a region: CSV (name, latitude, longitude, country_code, "
        "population, aliases parted by ;) or GeoJSON such as an OpenStreetMap extract; they come before the world's",
    )


class MediaSettings(Section):
    """Limits on fetching and decoding images that strangers point at."""

    max_bytes: int = Field(8 * 1024 * 1024, gt=0)
    total_timeout_s: float = Field(8.0, gt=0, description="one fetch, connect to last byte, redirects included")
    deadline_s: float = Field(
        2.0, gt=0, description="a post goes on without an image that is not here this long after the post was read"
    )
    history_deadline_s: float = Field(
        30.0, gt=0, description="the same for a post that is replayed faster than it happened: history is in no hurry"
    )
    max_pixels: int = Field(25_000_000, gt=0)
    max_redirects: int = Field(3, ge=0)
    max_images: int = Field(4, ge=0, description="images used per post; 0 turns fetching off")
    requests: int = Field(512, ge=1, description="requests under way at once, most of them waiting for their host")
    concurrency: int = Field(64, ge=1, description="answers read at once, up to max_bytes of each in memory")
    per_host: int = Field(16, ge=1, description="requests to one registered domain at once")
    decode_threads: int = Field(2, ge=1)
    cached_images: int = Field(256, ge=0, description="decoded images remembered by URL; about 150 kB each")
    allowed_private: tuple[str, ...] = Field(
        (), description="networks in CIDR form that may be fetched though not public, e.g. 127.0.0.1/32 for a demo"
    )
    refused_networks: tuple[str, ...] = Field(
        (), description="networks in CIDR form that are never fetched from, public or allowed ones too, e.g. your own"
    )
    allowed_ports: tuple[int, ...] = Field((80, 443), description="ports images may be fetched from")


class LabellingSettings(Section):
    """How posts are gathered into batches for the model."""

    batch_size: int | None = Field(
        None, ge=1, description="posts in a full batch; 64 on a CPU and 256 on a GPU when unset"
    )
    deadline_ms: float = Field(50.0, gt=0, description="scored when full or when its oldest post is this old")
    newest_first: bool = Field(
        False,
        description="the partition whose next post is the newest goes first, however long others wait, in place of "
        "turns: where some are far behind, what comes in elsewhere is still labelled at once",
    )
    duplicates: int = Field(100_000, ge=0, description="labelled posts remembered so that a repost costs nothing")
    max_in_flight: int = Field(4096, ge=1, description="posts held in memory at once")
    max_in_flight_mb: float = Field(
        64.0, gt=0, description="and their bytes as they came, with decoded images; what is made of them takes more"
    )
    unsure_below: float = Field(
        0.6,
        ge=0,
        le=1,
        description="an event asks for review when all its labels are less likely, or when its text and its photos "
        "alone are both at least so sure of different categories",
    )


class AlertRule(Section):
    """An event raises this task's alert when one of ``labels`` is the label with at least ``min_probability``."""

    labels: frozenset[str]
    min_probability: float = Field(0.5, ge=0, le=1)


class AlertSettings(Section):
    """One rule per task."""

    informativeness: AlertRule = AlertRule(labels=frozenset({"informative"}), min_probability=0.8)
    humanitarian: AlertRule = AlertRule(
        labels=frozenset(
            {
                "affected_individuals",
                "infrastructure_and_utility_damage",
                "rescue_volunteering_or_donation_effort",
            }
        ),
        min_probability=0.6,
    )
    damage: AlertRule = AlertRule(labels=frozenset({"severe_damage", "mild_damage"}), min_probability=0.6)
    request: AlertRule = AlertRule(labels=frozenset({"request"}), min_probability=0.5)
    """A plea for help that is missed is worse than one too many: every one that is likelier than not."""


class ModelSettings(Section):
    """Which model labels the posts."""

    source: str = Field("default", description="'default', 'fixed' (no network, for tests), or a folder of weights")
    shadow: str | None = Field(None, description="a second model scored beside the first, compared, never published")
    shadow_sample: float = Field(0.1, ge=0, le=1, description="share of batches that the shadow model scores too")
    threads: int | None = Field(None, description="CPU threads for the model; all cores when unset")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="cpu, cuda:0, cuda:1, ...; auto is the first GPU or the CPU",
    )
    number_format: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="what it multiplies in; auto is the device's fastest: bfloat16, int8 on a CPU without, float32",
    )

    @property
    def placement(self) -> dict[str, Any]:
        """How :func:`model.load.load_scorer` is to load a model."""
        return {"threads": self.threads, "device": self.device, "number_format": self.number_format}


class WorkerSettings(Section):
    """One replica of the labelling worker."""

    group_id: str = "crisis-stream"
    replica: str = Field(
        default_factory=socket.gethostname, description="names this replica's transactional id; unique and stable"
    )
    drain_timeout_s: float = Field(
        10.0, gt=0, description="wait for the last transaction; other commands wait so long for Kafka, too"
    )
    stall_s: float = Field(
        60.0, gt=0, description="/healthz turns red when posts wait and nothing was committed for this long"
    )
    http_host: str = "127.0.0.1"
    http_port: int = Field(8080, ge=0, le=65535, description="health, readiness and metrics; 0 picks a free port")


class RoleSettings(Section):
    """Who may do what on the dashboard: names as the proxy gives them; ``*`` is everybody."""

    see: frozenset[str] = Field(frozenset({"*"}), description="posts, photos, incidents, feeds")
    judge: frozenset[str] = Field(frozenset({"*"}), description="say what labels should have been")
    decide: frozenset[str] = Field(frozenset({"*"}), description="act on incidents")

    @property
    def open(self) -> bool:
        """Whether everybody may do everything."""
        return all("*" in names for names in (self.see, self.judge, self.decide))


class DashboardSettings(Section):
    """The analysts' page. It has no login of its own: loopback only, unless you put it behind something that has."""

    host: str = "127.0.0.1"
    port: int = Field(8090, ge=0, le=65535, description="0 picks a free port")
    address: str | None = Field(
        None, pattern=r"^https?://", description="as browsers know it, for links in messages and feeds"
    )
    cap_sender: str = Field("crisis-stream@localhost", min_length=1, description="who sends the feeds' CAP messages")
    cap_status: Literal["Actual", "Exercise", "System", "Test", "Draft"] = "Exercise"
    cap_scope: Literal["Public", "Restricted"] = "Restricted"
    allowed_hosts: tuple[str, ...] = Field((), description="names it may be reached by, beside loopback's own")
    notice: str = Field(
        "", max_length=500, description="said at the top of the page: an exercise, say, or whom to call"
    )
    history_minutes: float = Field(60.0, ge=0, description="how far back a fresh dashboard reads events")
    posts_per_label: int = Field(200, ge=1, description="posts kept on show for each humanitarian label")
    incidents: int = Field(500, ge=1, description="incidents kept on show")
    incident_posts: int = Field(5_000, ge=0, description="posts of open incidents kept beyond that, all together")
    thumbnails: int = Field(500, ge=1, description="re-encoded photos kept in memory")
    large_photos: int = Field(50, ge=1, description="and larger ones, made for who asks to see one large")
    reasons: bool = Field(
        True, description="say what moved a label, by a model of its own: some 1 GB more, only while somebody asks"
    )
    user_header: str | None = Field(
        None, description="header in which a proxy says who asks, such as X-Forwarded-User; others' are not believed"
    )
    trusted_proxies: tuple[str, ...] = Field(
        ("127.0.0.1/32", "::1/128"), description="networks in CIDR form whose user_header is believed"
    )
    user: str = Field(
        default_factory=_local_user, description="who asks where no user_header is set and the page names nobody"
    )
    roles: RoleSettings = RoleSettings()
    max_browsers: int = Field(100, ge=1)
    max_browsers_per_client: int = Field(
        25, ge=1, description="of one address; behind a proxy all have the proxy's, so as many as max_browsers"
    )

    @model_validator(mode="after")
    def _names_that_are_proven(self) -> Self:
        if not self.roles.open and not self.user_header:
            raise ValueError(
                "dashboard.roles need dashboard.user_header: without a proxy that says who asks, anybody is anybody"
            )
        return self


class IncidentSettings(Section):
    """How posts are gathered into incidents; docs/incidents.md says what each number does."""

    app_id: str = Field("crisis-stream-incidents", description="Faust application: consumer group and changelog names")
    min_probability: float = Field(0.5, ge=0, le=1, description="of the humanitarian or damage label")
    window_h: float = Field(6.0, gt=0, description="a post joins posts written at most this long before or after it")
    reach_km: dict[Literal["point", "place", "coordinates", "gazetteer"], float] = Field(
        {"point": 10.0, "place": 25.0, "coordinates": 10.0, "gazetteer": 25.0},
        description="how far a position may be off; two join when no further apart than their reaches together",
    )
    similar_text: float = Field(0.35, gt=0, le=1, description="Jaccard similarity that joins posts without a place")
    same_text: float = Field(0.7, gt=0, le=1, description="Jaccard similarity that makes two texts near-duplicates")
    same_photo_bits: int = Field(6, ge=0, le=16, description="perceptual hashes this many bits apart show one photo")
    min_authors: int = Field(2, ge=1, description="independent authors before an incident is published")
    trend_minutes: float = Field(60.0, gt=0, description="length of one of the adjacent windows")
    close_after_h: float = Field(6.0, gt=0, description="no post for this long closes an incident")
    forget_after_h: float = Field(48.0, gt=0, description="and for this long removes it from memory")
    max_posts: int = Field(100_000, ge=1, description="posts kept in memory; beyond it the quietest incident goes")
    supporting_posts: int = Field(10, ge=1, description="root posts an incident carries")
    publish_every_s: float = Field(2.0, gt=0)
    http_host: str = "127.0.0.1"
    http_port: int = Field(8081, ge=0, le=65535, description="health, readiness and metrics; 0 picks a free port")

    def reach_of(self, source: Literal["point", "place", "coordinates", "gazetteer"]) -> float:
        """Kilometres that a position from ``source`` may be off; a position in a text is as good as a point."""
        return self.reach_km.get(source, self.reach_km.get("point", 10.0))


class EmergingSettings(Section):
    """What counts as a burst of a word, a place or a photo; docs/incidents.md says how."""

    window_minutes: float = Field(15.0, gt=0, description="the present: the posts of the last minutes")
    past_h: float = Field(3.0, gt=0, description="what it is compared with: the posts of the hours before")
    min_past: int = Field(100, ge=1, description="informative posts in the past before anything is said to burst")
    min_authors: int = Field(3, ge=2, description="that have it in the window")
    min_score: float = Field(4.0, gt=0, description="standard deviations beyond what was expected")
    most: int = Field(20, ge=1, description="published at a time, the strongest first")
    same_photo_bits: int = Field(6, ge=0, le=16, description="perceptual hashes this many bits apart show one photo")
    old_photo_h: float = Field(24.0, gt=0, description="a photo first seen so long ago is told of at its first repeat")
    photo_days: float = Field(30.0, gt=0, description="how long a photo is remembered, to tell a picture used again")
    photos: int = Field(200_000, ge=1, description="photos remembered; some 1 kB each")
    publish_every_s: float = Field(5.0, gt=0)


class NotifyChannel(Section):
    """A way to reach people: a webhook, or whatever Apprise knows an address of."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^/]+$")
    webhook: str | None = Field(None, pattern=r"^https?://", description="address that is sent signed JSON")
    secret: SecretStr | None = Field(
        None, description="signs it (Standard Webhooks): whsec_ and base64, or any text; env:NAME reads a variable"
    )
    apprise: SecretStr | None = Field(
        None, description="Apprise's address: mailto://, slack://, workflows://, mmost://, tgram://...; or env:NAME"
    )
    timeout_s: float = Field(10.0, gt=0, description="of one call")
    give_up_h: float = Field(24.0, ge=0, description="tried again for so long, then left as failed")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.webhook is None) == (self.apprise is None):
            raise ValueError(f"notify.channel {self.name!r} needs either webhook or apprise")
        if self.apprise is not None and self.secret is not None:
            raise ValueError(f"notify.channel {self.name!r}: a secret signs webhooks only")
        return self

    def secrets(self) -> tuple[str | None, str | None]:
        """``secret`` and ``apprise``, an ``env:NAME`` read now: other commands than ``notify`` need not have them.

        Raises:
            ValueError: the environment lacks one; the message names it.
        """
        return self._read(self.secret), self._read(self.apprise)

    def _read(self, value: SecretStr | None) -> str | None:
        text = None if value is None else value.get_secret_value()
        if text is None or not text.startswith("env:"):
            return text
        if not (found := os.environ.get(text[4:])):
            raise ValueError(f"notify.channel {self.name!r}: the environment has no {text[4:]}")
        return found


class NotifyRule(Section):
    """What to tell which channels. What is left out asks nothing."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^/]+$")
    on: Literal["incidents", "alerts"] = "incidents"
    channels: tuple[str, ...] = Field(min_length=1)
    task: Literal["informativeness", "humanitarian", "damage", "request"] | None = Field(
        None, description="of alerts: only this task's; any when unset"
    )
    labels: frozenset[str] = Field(frozenset(), description="of the task; of incidents their category")
    min_probability: float = Field(0.0, ge=0, le=1, description="of the label; of incidents the severity score")
    severity: Literal["unknown", "minor", "moderate", "severe"] = Field("unknown", description="incidents: at least")
    authors: int = Field(1, ge=1, description="incidents: independent authors, at least")
    place: str | None = Field(
        None, description="part of a name, or west,south,east,north, or latitude,longitude,radius km"
    )
    languages: frozenset[str] = Field(frozenset(), description="alerts: such as en or si")
    count: int = Field(1, ge=1, description="alerts: tell once so many came ...")
    within_minutes: float = Field(10.0, gt=0, description="... within so long")
    updates: Literal["graver", "all", "none"] = Field(
        "graver", description="incidents told before: again when graver or decided on, at every change, or never"
    )
    quiet: str | None = Field(
        None, pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$", description="such as 22:00-06:00: held back"
    )
    timezone: str = Field("UTC", description="of the quiet hours, such as Asia/Colombo")
    quiet_lets_severe: bool = Field(False, description="severe incidents come through at any hour")
    digest_minutes: int | None = Field(None, ge=1, description="gathered, and told together so often")

    @model_validator(mode="after")
    def _known_zone(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{self.timezone!r} is no time zone: use a name such as Asia/Colombo") from error
        return self


class NotifySettings(Section):
    """Who is told what; ``[[notify.channel]]`` and ``[[notify.rule]]`` of crisis-stream.toml."""

    channel: tuple[NotifyChannel, ...] = ()
    rule: tuple[NotifyRule, ...] = ()
    retry_s: float = Field(2.0, gt=0, description="before the second try of a call; doubled each time, to 5 minutes")
    incidents: int = Field(5_000, ge=1, description="incidents kept in memory")
    http_host: str = "127.0.0.1"
    http_port: int = Field(8092, ge=0, le=65535, description="health, readiness and metrics; 0 picks a free port")

    @model_validator(mode="after")
    def _known_channels(self) -> Self:
        names = [channel.name for channel in self.channel]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"notify.channel: two are called {', '.join(twice)}")
        rules = [rule.name for rule in self.rule]
        if len(rules) > len(set(rules)):
            raise ValueError("notify.rule: two have the same name")
        for rule in self.rule:
            missing = sorted(set(rule.channels) - set(names))
            if missing:
                raise ValueError(f"notify.rule {rule.name!r}: there is no notify.channel called {', '.join(missing)}")
        return self


class BlueskySettings(Section):
    """Jetstream, Bluesky's stream of JSON (its ``/subscribe``)."""

    hosts: tuple[str, ...] = Field(
        (
            "wss://jetstream2.us-east.bsky.network/subscribe",
            "wss://jetstream1.us-east.bsky.network/subscribe",
            "wss://jetstream2.us-west.bsky.network/subscribe",
            "wss://jetstream1.us-west.bsky.network/subscribe",
        ),
        min_length=1,
        description="asked one after the other; the next where one fails",
    )
    collections: tuple[str, ...] = Field(
        ("app.bsky.feed.post", "app.bsky.feed.repost"), max_length=100, description="wantedCollections"
    )
    zstd_dictionary: Path | None = Field(
        None, description="Jetstream's own dictionary (zstd_dictionary in its repository): asks for compressed frames"
    )
    gap_s: float = Field(60.0, gt=0, description="a first event so much later than asked for is told as a gap")


class MastodonSettings(Section):
    """The streaming API of one server."""

    server: str = Field("https://mastodon.social", pattern=r"^https?://[^/]+/?$")
    token: SecretStr | None = Field(None, description="an access token with the scope read:statuses")
    streams: tuple[str, ...] = Field(
        ("public",), min_length=1, description="public, public:local, public:remote, hashtag:TAG, hashtag:local:TAG"
    )
    fill_pages: int = Field(50, ge=0, description="pages of 40 statuses read of each timeline after an absence")


class XSettings(Section):
    """X's filtered stream, API v2."""

    url: str = "https://api.x.com/2/tweets/search/stream"
    token: SecretStr | None = Field(None, description="an app's bearer token")
    rules: tuple[str, ...] = Field(
        (), description="in X's own language; made of words, languages and small boxes when unset"
    )
    backfill_minutes: int = Field(0, ge=0, le=5, description="asked for after an absence; Enterprise access only")
    parameters: dict[str, str] = Field(
        {
            "tweet.fields": "author_id,created_at,lang,entities,geo,attachments,referenced_tweets,public_metrics,"
            "possibly_sensitive,edit_history_tweet_ids",
            "expansions": "author_id,attachments.media_keys,referenced_tweets.id,referenced_tweets.id.author_id,"
            "referenced_tweets.id.attachments.media_keys,geo.place_id",
            "media.fields": "type,url,preview_image_url,alt_text",
            "user.fields": "created_at,public_metrics,verified",
            "place.fields": "full_name,country_code,geo",
        },
        description="fields and expansions of the posts",
    )


class SourceSettings(Section):
    """What ``crisis-stream source`` takes from a network. Words or boxes (either will do), and languages, if given."""

    name: str | None = Field(None, description="keeps its place in Kafka apart from others'; the network when unset")
    words: tuple[str, ...] = Field((), description="anywhere in the text, in any case")
    languages: tuple[str, ...] = Field((), description="such as en; a post of no known language passes")
    boxes: tuple[tuple[float, float, float, float], ...] = Field(
        (), description="west, south, east, north in degrees; posts that say where they are"
    )
    http_host: str = "127.0.0.1"
    http_port: int = Field(8091, ge=0, le=65535, description="health, readiness and metrics; 0 picks a free port")
    bluesky: BlueskySettings = BlueskySettings()
    mastodon: MastodonSettings = MastodonSettings()
    x: XSettings = XSettings()


class _Environment(EnvSettingsSource):
    """The environment; a section that there is not is passed on, so that it is refused as one of the file is.

    A name without ``__`` is left alone: Kubernetes sets ``CRISIS_STREAM_DASHBOARD_PORT`` for a service.
    """

    def __call__(self) -> dict[str, Any]:
        prefix = self.env_prefix.lower()
        ours = [name.removeprefix(prefix).partition("__") for name in self.env_vars if name.startswith(prefix)]
        unknown = {section for section, nested, _ in ours if nested} - self.settings_cls.model_fields.keys()
        return super().__call__() | {section: {} for section in sorted(unknown)}


class Settings(BaseSettings):
    """All settings of one process, frozen."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # a rejected section's input may hold a password
        env_prefix="CRISIS_STREAM_",
        env_nested_delimiter="__",
        toml_file="crisis-stream.toml",
    )

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    feed: FeedSettings = FeedSettings()
    posts: PostSettings = PostSettings()
    place: PlaceSettings = PlaceSettings()
    media: MediaSettings = MediaSettings()
    labelling: LabellingSettings = LabellingSettings()
    alerts: AlertSettings = AlertSettings()
    model: ModelSettings = ModelSettings()
    worker: WorkerSettings = WorkerSettings()
    dashboard: DashboardSettings = DashboardSettings()
    incidents: IncidentSettings = IncidentSettings()
    emerging: EmergingSettings = EmergingSettings()
    sources: SourceSettings = SourceSettings()
    notify: NotifySettings = NotifySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then ``crisis-stream.toml``."""
        return init_settings, _Environment(settings_cls), TomlConfigSettingsSource(settings_cls)
