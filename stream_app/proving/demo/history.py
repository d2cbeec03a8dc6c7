"""The demo's history: the invented story of one flood and of people who talk of other things, in all five formats.

Made by rule from a seed, so there is no data file to ship: 45 in 100 lines are reposts; there are copies, control
lines, broken lines, and links to pictures that are missing, broken, slow, refused or no pictures at all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stream_app.proving.demo.pictures import VARIANTS
from stream_app.proving.demo.story import CHAPTERS, CHATTER, END, PLACES, Chapter, Told, chapter_at

Line = dict[str, Any]

REPOST_SHARE = 0.45
POISON = (
    b"{ this is not JSON",
    b'["a", "list"]',
    b'{"data": {"id": "1", "created_at": "2026-03-14T06:00:00Z"}}',
    b'{"network": "other", "id": "", "root_id": "", "created_at": "yesterday"}',
    b'{"unknown": "format"}',
    b"\xff\xfe\x00 not even UTF-8",
)
CONTROL = (
    b'{"delete": {"status": {"id": 1, "id_str": "1", "user_id": 2, "user_id_str": "2"}}}',
    b'{"limit": {"track": 1234}}',
    b'{"did": "did:plc:demo", "time_us": 1773468000000000, "kind": "identity", "identity": {"did": "did:plc:demo"}}',
)


ODD_PICTURES = ("missing.jpg", "broken.jpg", "page.jpg", "slow.jpg")
HOSTILE = (
    "http://169.254.169.254/latest/meta-data.jpg",
    "http://10.0.0.7/admin.jpg",
    "http://[::ffff:192.168.1.1]/x.jpg",
)


@dataclass(frozen=True, slots=True)
class Draft:
    """One post before it is written in a network's format."""

    number: int
    text: str
    language: str
    tag: str
    author: int
    picture: str | None
    place: tuple[str, str, float, float] | None
    when: datetime


def history(images: str, posts: int = 360, seed: int = 7) -> Iterator[bytes]:
    """The lines, oldest first; ``images`` is the address of the picture host, as in ``http://127.0.0.1:8099``."""
    rng = random.Random(seed)
    originals: list[tuple[Draft, int]] = []
    odd = {posts * (i + 1) // (len(POISON) + len(CONTROL) + 1): line for i, line in enumerate((*POISON, *CONTROL))}
    for number, when in enumerate(_times(posts, rng)):
        if number in odd:
            yield odd[number]
        elif originals and rng.random() < REPOST_SHARE:
            draft, form = rng.choice(originals[-20:])
            yield _line(REPOSTS[form](draft, number, rng.randrange(400), when))
        else:
            draft, form = _draft(number, images, originals, rng, when), rng.randrange(len(FORMATS))
            originals.append((draft, form))
            yield _line(FORMATS[form](draft))


def _times(posts: int, rng: random.Random) -> list[datetime]:
    """When each is written, in order: more where more happens."""
    ends = [chapter.begins for chapter in CHAPTERS[1:]] + [END]
    weights = [chapter.busy * (end - chapter.begins) for chapter, end in zip(CHAPTERS, ends, strict=True)]
    within = rng.choices(range(len(CHAPTERS)), [weight.total_seconds() for weight in weights], k=posts)
    spans = [(CHAPTERS[each].begins, (ends[each] - CHAPTERS[each].begins).total_seconds()) for each in within]
    return sorted(begins + timedelta(seconds=rng.random() * length) for begins, length in spans)


def _line(post: Line) -> bytes:
    return json.dumps(post, ensure_ascii=False).encode()


def _draft(number: int, images: str, originals: list[tuple[Draft, int]], rng: random.Random, when: datetime) -> Draft:
    author = rng.randrange(400)
    if originals and rng.random() < 0.06:  # somebody copies a text without reposting it
        copied, _ = rng.choice(originals[-20:])
        return Draft(number, copied.text, copied.language, copied.tag, author, copied.picture, None, when)
    told, place, tag = _told(chapter_at(when), rng), None, "today"
    if told not in CHATTER:
        place, tag = rng.choice(PLACES), "TamselFlood"
    text = told.text.format(place=place[0] if place else "", n=rng.randint(2, 60))
    picture = f"{images}/{told.scene}-{rng.randrange(VARIANTS)}.jpg" if told.scene and rng.random() < 0.7 else None
    if picture and rng.random() < 0.08:
        picture = rng.choice([*(f"{images}/{name}" for name in ODD_PICTURES), *HOSTILE])
    return Draft(number, f"{text} #{tag}", told.language, tag, author, picture, place, when)


def _told(chapter: Chapter, rng: random.Random) -> Told:
    return rng.choice(CHATTER if rng.random() < chapter.chatter else chapter.told)


def _iso(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def x_v2(draft: Draft) -> Line:
    """A line of the X API v2 stream."""
    return {"data": _v2_post(draft), "includes": _v2_includes(draft)}


def x_v2_repost(draft: Draft, number: int, author: int, when: datetime) -> Line:
    """A retweet, its root in ``includes``."""
    data = {
        "id": _x_id(number),
        "text": f"RT @person{draft.author}: {draft.text[:80]}…",
        "author_id": str(author),
        "created_at": _iso(when),
        "lang": draft.language,
        "referenced_tweets": [{"type": "retweeted", "id": _x_id(draft.number)}],
    }
    return {"data": data, "includes": {**_v2_includes(draft), "tweets": [_v2_post(draft)]}}


def _x_id(number: int) -> str:
    return str(2_030_000_000_000_000_000 + number * 4_194_304)


def _v2_post(draft: Draft) -> Line:
    post: Line = {
        "id": _x_id(draft.number),
        "text": draft.text,
        "author_id": str(draft.author),
        "created_at": _iso(draft.when),
        "lang": draft.language,
        "entities": {"hashtags": [{"start": 0, "end": 1, "tag": draft.tag}]},
        "public_metrics": {"retweet_count": draft.number % 40, "like_count": draft.number % 90},
    }
    if draft.picture:
        post["attachments"] = {"media_keys": [f"3_{draft.number}"]}
    if draft.place:
        post["geo"] = {"coordinates": {"type": "Point", "coordinates": [draft.place[3], draft.place[2]]}}
    return post


def _v2_includes(draft: Draft) -> Line:
    metrics = {"followers_count": draft.author * 7, "following_count": draft.author, "tweet_count": draft.author * 31}
    users = [{"id": str(draft.author), "username": f"person{draft.author}", "public_metrics": metrics}]
    media = [{"media_key": f"3_{draft.number}", "type": "photo", "url": draft.picture}] if draft.picture else []
    return {"users": users, "media": media}


def x_v1(draft: Draft) -> Line:
    """An X v1.1 status, extended."""
    status: Line = {
        "id": int(_x_id(draft.number)),
        "id_str": _x_id(draft.number),
        "created_at": draft.when.strftime("%a %b %d %H:%M:%S +0000 %Y"),
        "full_text": draft.text,
        "lang": draft.language,
        "user": {"id_str": str(draft.author), "followers_count": draft.author * 7, "friends_count": draft.author},
        "entities": {"hashtags": [{"text": draft.tag}]},
    }
    if draft.picture:
        status["extended_entities"] = {"media": [{"type": "photo", "media_url_https": draft.picture}]}
    if draft.place:
        name, country, latitude, longitude = draft.place
        box = [[longitude - 0.1, latitude - 0.1], [longitude + 0.1, latitude + 0.1]]
        status["place"] = {"full_name": name, "country_code": country, "bounding_box": {"coordinates": [box]}}
    return status


def x_v1_repost(draft: Draft, number: int, author: int, when: datetime) -> Line:
    """A v1.1 retweet with its root inside."""
    outer = Draft(number, f"RT @person{draft.author}: {draft.text}", draft.language, "", author, None, None, when)
    return {**x_v1(outer), "retweeted_status": x_v1(draft)}


def bluesky(draft: Draft) -> Line:
    """A Jetstream commit; its pictures live on Bluesky's own host, so the demo gives it none."""
    record = {
        "$type": "app.bsky.feed.post",
        "createdAt": _iso(draft.when),
        "langs": [draft.language],
        "text": draft.text,
    }
    return _commit(draft.author, draft.number, draft.when, "app.bsky.feed.post", record)


def bluesky_repost(draft: Draft, number: int, author: int, when: datetime) -> Line:
    """A repost: the root's address and no text."""
    uri = f"at://did:plc:demo{draft.author}/app.bsky.feed.post/{draft.number}"
    record = {
        "$type": "app.bsky.feed.repost",
        "createdAt": _iso(when),
        "subject": {"cid": f"bafyrei{draft.number}", "uri": uri},
    }
    return _commit(author, number, when, "app.bsky.feed.repost", record)


def _commit(author: int, number: int, when: datetime, collection: str, record: Line) -> Line:
    commit = {
        "rev": str(number),
        "operation": "create",
        "collection": collection,
        "rkey": str(number),
        "record": record,
        "cid": f"bafyrei{number}",
    }
    return {
        "did": f"did:plc:demo{author}",
        "time_us": int(when.timestamp() * 1_000_000),
        "kind": "commit",
        "commit": commit,
    }


def mastodon(draft: Draft) -> Line:
    """A Mastodon status."""
    attachments = [{"id": "1", "type": "image", "url": draft.picture}] if draft.picture else []
    words, _, tag = draft.text.rpartition("#")
    return {
        "id": str(draft.number),
        "uri": f"https://social.example/statuses/{draft.number}",
        "url": f"https://social.example/@person{draft.author}/{draft.number}",
        "created_at": _iso(draft.when),
        "language": draft.language,
        "visibility": "public",
        "content": f'<p>{words}<a href="https://social.example/tags/{tag}" rel="tag">#<span>{tag}</span></a></p>',
        "account": {"id": str(draft.author), "acct": f"person{draft.author}", "followers_count": draft.author * 3},
        "media_attachments": attachments,
        "mentions": [],
        "tags": [{"name": tag.lower()}],
        "reblog": None,
    }


def mastodon_repost(draft: Draft, number: int, author: int, when: datetime) -> Line:
    """A boost."""
    boost = Draft(number, "", draft.language, "", author, None, None, when)
    return {**mastodon(boost), "content": "", "tags": [], "reblog": mastodon(draft)}


def own(draft: Draft) -> Line:
    """Our own normalised Post."""
    post: Line = {
        "network": "other",
        "id": f"demo-{draft.number}",
        "root_id": f"demo-{draft.number}",
        "text": draft.text,
        "created_at": _iso(draft.when),
        "hashtags": [draft.tag],
        "media": [{"url": draft.picture}] if draft.picture else [],
    }
    if draft.place:
        name, country, latitude, longitude = draft.place
        post["place"] = {
            "name": name,
            "country_code": country,
            "latitude": latitude,
            "longitude": longitude,
            "source": "place",
        }
    return post


def own_repost(draft: Draft, number: int, author: int, when: datetime) -> Line:  # noqa: ARG001 - as its siblings
    """A repost in our own format: the root's content under an id of its own."""
    return {**own(draft), "id": f"demo-{number}", "kind": "repost", "created_at": _iso(when)}


FORMATS: tuple[Callable[[Draft], Line], ...] = (x_v2, x_v1, bluesky, mastodon, own)
REPOSTS: tuple[Callable[[Draft, int, int, datetime], Line], ...] = (
    x_v2_repost,
    x_v1_repost,
    bluesky_repost,
    mastodon_repost,
    own_repost,
)
