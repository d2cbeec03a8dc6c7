"""Rows of tables: the columns that well-known data sets and tools give a post, whatever they call them.

CrisisLexT6 and T26, CrisisNLP, CrisisMMD, HumAID, Sentiment140, TAGS, 4CAT and what pandas writes of a scrape.
"""

from __future__ import annotations

import re

from stream_app.pipeline.posts import own, x_v1
from stream_app.pipeline.posts.facts import Fields, identifier, string
from stream_app.pipeline.posts.post import Withdrawal

_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_ID = ("tweet_id", "tweetid", "status_id", "id_str", "ids", "post_id", "message_id", "id", "url", "permalink")
_TEXT = (
    "tweet_text",
    "tweet",
    "tweet_content",
    "full_text",
    "text",
    "post_text",
    "rawcontent",
    "content",
    "body",
    "message",
    "title",
)
_TIME = ("created_at", "tweet_created_at", "tweet_created", "createdat", "datetime", "date_time", "date", "timestamp",
         "posted_at", "posttime", "created", "post_created", "created_utc", "unix_timestamp", "time")  # fmt: skip
_PHOTO = ("image_url", "media_url", "photo_url", "image", "photo", "photos", "images", "media")
_LANGUAGE = ("lang", "language", "tweet_lang")
_AUTHOR = ("user_id", "author_id", "from_user_id_str", "user_id_str", "author", "username", "user", "from_user")
_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng", "long")
_OF_X = ("tweet", "retweet", "from_user", "screen_name")
_LINK = ("url", "post_link", "permalink", "link", "tweet_permalink")
_X_PAGE = re.compile(r"https?://(?:\w+\.)?(?:x|twitter)\.com/.+/status(?:es)?/(\d+)")
_ADDRESS = re.compile(r"(?:fullUrl='|(?<!previewUrl=')(?=https?://))(https?://[^\s'\"\],|;]+)")
"""Addresses in a cell: one, several, or a list as Python prints it."""


def read(row: Fields) -> Fields | Withdrawal:
    """The fields of a Post from a row in which :func:`is_row` finds a text; of X where a column says so.

    Raises:
        PostError: the id is missing.
    """
    named = _named(row)
    found = {
        "id": (identifier(_first(named, _ID)) or "").strip("'\" ") or None,
        "text": _first(named, _TEXT),
        "created_at": _first(named, _TIME),
        "lang": _first(named, _LANGUAGE),
    }
    author, photos = identifier(_first(named, _AUTHOR)), _addresses(_first(named, _PHOTO))
    page = _X_PAGE.match(string(_first(named, _LINK)) or "")
    if page or _is_of_x(named, row):
        media = [{"media_url_https": photo} for photo in photos]
        if page and not str(found["id"]).isdigit():
            found["id"] = page[1]
        # Without an author it is told by its first words whether it is a retweet.
        user = {"user": {"id": author}} if author and not str(found["text"]).startswith("RT @") else {}
        return x_v1.read({**found, **user, "entities": {"media": media}}, "row about X")
    place = {"latitude": _first(named, _LATITUDE), "longitude": _first(named, _LONGITUDE)}
    return own.read(
        {
            "network": "other",
            **{name: found[name] for name in ("id", "text", "created_at")},
            "language": found["lang"],
            "author": {"key": author} if author else None,
            "media": photos,
            "place": place if all(each is not None for each in place.values()) else None,
        }
    )


def _addresses(cell: object) -> list[str]:
    if isinstance(cell, list):
        return [each for each in cell if isinstance(each, str)]
    return _ADDRESS.findall(cell) if isinstance(cell, str) else []


def is_row(value: Fields) -> bool:
    """Whether it has a column that is an id and one that is a text, by the names that tables give them."""
    named = _named(value)
    return string(_first(named, _TEXT)) is not None and identifier(_first(named, _ID)) is not None


def _is_of_x(named: Fields, row: Fields) -> bool:
    """Whether a column's name, or Sentiment140's NO_QUERY, says that it is a post of X."""
    return any(word in name for name in named for word in _OF_X) or "NO_QUERY" in row.values()


def _named(row: Fields) -> Fields:
    """The row under plain names: ``Tweet Id`` is ``tweet_id``."""
    return {_NOT_LETTERS.sub("_", str(name).lower()).strip("_"): value for name, value in row.items()}


def _first(named: Fields, names: tuple[str, ...]) -> object:
    return next((named[name] for name in names if named.get(name) not in (None, "")), None)
