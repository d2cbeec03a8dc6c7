"""X's words about posts that may not be shown any more, and its other notices.

v1.1 streaming notices, the v2 compliance streams, lines of a batch compliance job, GNIP's compliance activities and
the deletions of Kafka Connect's Twitter source.
https://docs.x.com/x-api/compliance/streams/introduction, https://docs.x.com/x-api/compliance/batch-compliance
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import Fields, author_key, identifier, mapping, moment, string
from stream_app.pipeline.posts.post import Withdrawal
from stream_app.pipeline.posts.x_forms import gnip_id

V1 = frozenset({"delete", "scrub_geo", "status_withheld", "user_withheld"})
"""Keys that mark a v1.1 line as a withdrawal."""

_ACTIONS = ("delete", "withheld", "scrub_geo", "drop", "protect", "suspend", "deactivate")
_AUTHOR_GONE = frozenset({"deactivated", "suspended", "protected"})
_REASONS = {
    "delete": "deleted", "drop": "withheld", "withheld": "withheld", "scrub_geo": "place removed",
    "protect": "author protected", "suspend": "author suspended", "deactivate": "author deactivated",
}  # fmt: skip


def read_v1(line: Fields) -> Iterator[Withdrawal]:
    """What a v1.1 notice takes away.

    Raises:
        NotAPost: it names no post and no author.
    """
    at = moment(mapping(line.get("delete")).get("timestamp_ms")) or moment(line.get("timestamp_ms"))
    if status := mapping(mapping(line.get("delete")).get("status")):
        yield _post(status.get("id_str") or status.get("id"), "deleted", at)
    elif scrub := mapping(line.get("scrub_geo")):
        yield _author(scrub.get("user_id_str") or scrub.get("user_id"), "place removed", at, place_only=True)
    elif withheld := mapping(line.get("status_withheld")):
        yield _post(withheld.get("id"), _withheld(withheld), moment(withheld.get("timestamp_ms")) or at)
    elif withheld := mapping(line.get("user_withheld")):
        yield _author(withheld.get("id"), _withheld(withheld), moment(withheld.get("timestamp_ms")) or at)
    else:
        raise NotAPost("X stream: a notice that names no post and no author.")


def is_compliance(data: Fields) -> bool:
    """Whether the ``data`` of a v2 line is an act of a compliance stream: one object that names a post or a user."""
    acts = list(data.values())
    return len(acts) == 1 and isinstance(acts[0], dict) and bool({"tweet", "user", "post"} & acts[0].keys())


def read_compliance(data: Fields) -> Iterator[Withdrawal]:
    """What an act of a compliance stream takes away.

    Raises:
        NotAPost: it gives back (undrop, user_unsuspend) or changes nothing that was shown.
        PostError: it names no post and no author.
    """
    [(name, act)] = data.items()
    kind = next((each for each in _ACTIONS if each in name), None)
    if kind is None or "un" + kind in name:
        raise NotAPost(f"X compliance: {name:.60} takes nothing away.")
    at, place_only = moment(act.get("event_at")), kind == "scrub_geo"
    reason = _withheld(act) if kind == "withheld" else _REASONS[kind]
    post, user = mapping(act.get("tweet")) or mapping(act.get("post")), mapping(act.get("user"))
    if post.get("id") is not None:
        yield _post(post["id"], reason, at, place_only=place_only)
    else:
        author = user.get("id") or act.get("author_id") or post.get("author_id")
        yield _author(author, "author gone" if kind == "delete" else reason, at, place_only=place_only)


def is_batch_line(line: Fields) -> bool:
    """Whether it is a line of a batch compliance job's result."""
    if "action" not in line or "id" not in line or "text" in line:
        return False
    return "reason" in line or "redacted_at" in line or line["action"] in _ACTIONS


def read_batch_line(line: Fields) -> Iterator[Withdrawal]:
    """What a line of a batch job takes away.

    A job about users has the same lines as one about posts, so where the author is gone the id is taken for both.
    """
    reason = string(line.get("reason")) or string(line.get("action")) or "deleted"
    at = moment(line.get("redacted_at")) or moment(line.get("event_at"))
    place_only = "scrub_geo" in (reason, line.get("action"))
    yield _post(line.get("id"), "place removed" if place_only else reason, at, place_only=place_only)
    if reason in _AUTHOR_GONE:
        yield _author(line.get("id"), f"author {reason}", at)


def read_gnip(activity: Fields) -> Iterator[Withdrawal]:
    """What a GNIP activity of verb delete (or scrub_geo, status_withheld, user_...) takes away."""
    verb, at = str(activity.get("verb")), moment(activity.get("postedTime")) or moment(activity.get("updated"))
    about, actor = mapping(activity.get("object")), mapping(activity.get("actor"))
    if verb.startswith("user_") or verb == "scrub_geo":
        if verb.startswith("user_un"):
            raise NotAPost(f"GNIP: {verb:.60} takes nothing away.")
        yield _author(gnip_id(actor.get("id") or about.get("id")), verb, at, place_only="scrub_geo" in verb)
    else:
        yield _post(gnip_id(about.get("id") or activity.get("id")), "deleted" if verb == "delete" else verb, at)


def _withheld(notice: Fields) -> str:
    where = notice.get("withheld_in_countries")
    named = [code for code in where if isinstance(code, str)] if isinstance(where, list) else []
    return f"withheld in {', '.join(named)}"[:200] if named else "withheld"


def _post(post_id: object, reason: str, at: datetime | None, *, place_only: bool = False) -> Withdrawal:
    if (name := identifier(post_id)) is None:
        raise PostError(f"X: a notice ({reason:.60}) that names no post.")
    return Withdrawal(network="x", id=name, reason=reason, at=at, place_only=place_only)


def _author(author_id: object, reason: str, at: datetime | None, *, place_only: bool = False) -> Withdrawal:
    if (key := author_key("x", author_id)) is None:
        raise PostError(f"X: a notice ({reason:.60}) that names no author.")
    return Withdrawal(network="x", author_key=key, reason=reason, at=at, place_only=place_only)
