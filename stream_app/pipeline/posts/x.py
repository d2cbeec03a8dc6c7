"""What X's two formats share: escaped text, ids that tell the time, retweet prefixes, boxes and points."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from stream_app.pipeline.posts.facts import Fields, centre, country, identifier, numbers, position, rows, string

_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)
_FIRST_SNOWFLAKE = 2**34  # smaller ids were given out before November 2010 and tell no time
_RETWEET = re.compile(r"RT @\w{1,20}: ")


def unescape(text: str) -> str:
    """Undo the only three HTML escapes that X's APIs apply to text."""
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def without_retweet_prefix(text: str) -> str:
    """A retweet's own text, which begins ``RT @name:``, without that."""
    found = _RETWEET.match(text) if text.startswith("RT @") else None
    return text[found.end() :] if found else text


def snowflake_time(post_id: str) -> datetime | None:
    """When an id was given out, UTC, to the millisecond: the bits above the lowest 22 are ms since 2010-11-04."""
    if not (post_id.isascii() and post_id.isdigit() and len(post_id) < 20):
        return None
    number = int(post_id)
    return _EPOCH + timedelta(milliseconds=number >> 22) if number >= _FIRST_SNOWFLAKE else None


def url(post_id: str) -> str:
    """The post's page, which needs no user name."""
    return f"https://x.com/i/web/status/{post_id}"


def versions(post_id: str, history: Any) -> Fields:
    """``edited`` and ``edit_of`` of a post from the ids of its versions, oldest first; nothing for the first."""
    ids = [identifier(each) for each in history] if isinstance(history, list) else []
    if post_id not in ids[1:]:
        return {}
    return {"edited": post_id, "edit_of": ids[ids.index(post_id) - 1]}


def links(urls: Any) -> int:
    """Links in the text that do not lead to the post's own photos."""
    return sum(
        1
        for row in rows(urls)
        if "media_key" not in row and not (string(row.get("display_url")) or "").startswith("pic.")
    )


def place(point: Fields | None, named: Fields, box: tuple[float, ...] | None) -> Fields | None:
    """A :class:`~stream_app.pipeline.posts.post.Place` from a point or, failing that, the middle of the place's box."""
    centroid = numbers(named.get("centroid"), 2)
    middle = (position(*centroid) if centroid else None) or (centre(*box) if box else None)
    found = point or middle
    name = string(named.get("full_name")) or string(named.get("name"))
    code = country(named.get("country_code"))
    if found is None and name is None and code is None:
        return None
    return {**(found or {}), "name": name, "country_code": code, "source": "point" if point else "place"}
