"""X posts as tools and partners keep them, turned into one of the API's two forms, which then are read as ever.

twarc2 ``flatten`` (https://twarc-project.readthedocs.io), GNIP activity streams, the TitleCase of Kafka Connect's
Twitter source (twitter4j), snscrape and twscrape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stream_app.pipeline.posts import own, x_v1, x_v2
from stream_app.pipeline.posts.errors import NotAPost
from stream_app.pipeline.posts.facts import Fields, identifier, mapping, rows, string
from stream_app.pipeline.posts.html_text import HtmlText
from stream_app.pipeline.posts.post import Withdrawal

BARE_V2 = frozenset(
    {
        "author_id", "referenced_tweets", "edit_history_tweet_ids", "conversation_id", "public_metrics", "note_tweet",
        "attachments", "context_annotations", "reply_settings", "possibly_sensitive", "edit_controls",
    }
)  # fmt: skip
"""Fields of a v2 post without its ``data``; v1.1 shares the last but one, and has ``user`` or ``id_str`` beside it."""


_ENTITIES = frozenset({"media_entities", "hashtag_entities", "user_mention_entities", "url_entities"})
"""Of twitter4j's names, with underscores, those that nobody else has."""


def read_flattened(post: Fields) -> Fields:
    """The fields of a Post from a v2 post that holds what it refers to inside itself, or holds none of it."""
    references = post.get("referenced_tweets")
    if isinstance(references, dict):  # as a table's columns name them: referenced_tweets.retweeted.id
        references = [{**mapping(row), "type": kind} for kind, row in references.items()]
    referred = rows(references)
    everyone = [post, *referred]
    data, *tweets = [_with_keys(each) for each in everyone]
    data["referenced_tweets"] = referred
    includes = {
        "tweets": [tweet for tweet in tweets if string(tweet.get("text"))],
        "users": [
            {**mapping(each.get("author")), "id": each.get("author_id") or mapping(each.get("author")).get("id")}
            for each in everyone
        ],
        "media": [row for each in everyone for row in rows(mapping(each.get("attachments")).get("media"))],
        "places": [
            {**geo, "id": geo.get("place_id") or geo.get("id")}
            for each in everyone
            if (geo := mapping(each.get("geo")))
        ],
    }
    return x_v2.read({"data": data, "includes": includes})


def _with_keys(post: Fields) -> Fields:
    """A copy with the media keys and the author's id that its own media and author have."""
    attachments = mapping(post.get("attachments"))
    media = rows(attachments.get("media"))
    changed = dict(post)
    if media:
        changed["attachments"] = {**attachments, "media_keys": [row.get("media_key") for row in media]}
    if (geo := mapping(post.get("geo"))) and "place_id" not in geo:
        changed["geo"] = {**geo, "place_id": geo.get("id")}
    if "author_id" not in post and "author" in post:
        changed["author_id"] = mapping(post["author"]).get("id")
    return changed


def read_connect(record: Fields) -> Fields:
    """The fields of a Post from twitter4j's names, in TitleCase, camelCase or with underscores."""
    return x_v1.read(_connect(record), "Kafka Connect Twitter record")


def _connect(record: Fields) -> Fields:
    get = _Names(record).get
    user, named, point = _titled(get("User")), _titled(get("Place")), _titled(get("GeoLocation"))
    answered = identifier(get("InReplyToStatusId"))
    status: Fields = {
        "id": get("Id"),
        "text": get("Text"),
        "created_at": get("CreatedAt"),
        "lang": get("Lang"),
        "favorite_count": get("FavoriteCount"),
        "retweet_count": get("RetweetCount"),
        "in_reply_to_status_id": None if answered in (None, "-1") else answered,
        "user": {
            "id": user.get("Id"),
            "followers_count": user.get("FollowersCount"),
            "friends_count": user.get("FriendsCount"),
            "statuses_count": user.get("StatusesCount"),
            "verified": user.get("Verified", user.get("IsVerified")),
            "created_at": user.get("CreatedAt"),
        },
        "entities": {
            "hashtags": [{"text": _titled(row).get("Text")} for row in rows(get("HashtagEntities"))],
            "user_mentions": rows(get("UserMentionEntities")),
            "urls": [{"display_url": _titled(row).get("DisplayURL")} for row in rows(get("URLEntities"))],
            "media": [_photo(_titled(row)) for row in rows(get("ExtendedMediaEntities")) or rows(get("MediaEntities"))],
        },
        "place": {
            "full_name": named.get("FullName"),
            "name": named.get("Name"),
            "country_code": named.get("CountryCode"),
        }
        if named
        else None,
        "geo": {"coordinates": [point.get("Latitude"), point.get("Longitude")]} if point else None,
        "possibly_sensitive": get("PossiblySensitive"),
    }
    if root := mapping(get("RetweetedStatus")):
        status["retweeted_status"] = _connect(root)
    elif get("Retweet") is True:
        status["retweet_of_unknown"] = True
    return status


class _Names(dict[str, Any]):
    """An object looked up by names in TitleCase, however it writes them."""

    def __init__(self, value: object) -> None:
        super().__init__({_plain(name): each for name, each in mapping(value).items()})

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default where there is none."""
        return super().get(_plain(name), default)


def _plain(name: object) -> str:
    return str(name).replace("_", "").lower()


def _photo(row: _Names) -> Fields:
    return {
        "media_url_https": row.get("MediaURLHttps") or row.get("MediaURL"),
        "ext_alt_text": row.get("ExtAltText"),
    }


def _titled(value: object) -> _Names:
    return _Names(value)


def read_gnip(activity: Fields) -> Fields:
    """The fields of a Post from an activity of GNIP (Decahose, PowerTrack, Historical) of verb post or share."""
    return x_v1.read(_gnip(activity), "GNIP activity")


def _gnip(activity: Fields) -> Fields:
    long, actor, place = mapping(activity.get("long_object")), mapping(activity.get("actor")), activity.get("location")
    entities = mapping(long.get("twitter_entities")) or mapping(activity.get("twitter_entities"))
    body = string(long.get("body")) or activity.get("body")
    status: Fields = {
        "id": gnip_id(activity.get("id")),
        "text": body if body is not None else mapping(activity.get("object")).get("summary"),
        "created_at": activity.get("postedTime"),
        "lang": activity.get("twitter_lang"),
        "favorite_count": activity.get("favoritesCount"),
        "retweet_count": activity.get("retweetCount"),
        "entities": entities,
        "extended_entities": mapping(long.get("twitter_extended_entities"))
        or mapping(activity.get("twitter_extended_entities")),
        "user": {
            "id": (identifier(actor.get("id")) or "").rpartition(":")[2] or None,
            "followers_count": actor.get("followersCount"),
            "friends_count": actor.get("friendsCount"),
            "statuses_count": actor.get("statusesCount"),
            "verified": actor.get("verified"),
            "created_at": actor.get("postedTime"),
        },
        "geo": activity.get("geo"),
        "place": _gnip_place(mapping(place)),
        "is_quote_status": "twitter_quoted_status" in activity,
        "in_reply_to_status_id": string(mapping(activity.get("inReplyTo")).get("link")),
    }
    root = mapping(activity.get("object"))
    if activity.get("verb") == "share" and root:
        status["retweeted_status"] = _gnip(root)
    return status


def gnip_id(tag: object) -> str | None:
    """``tag:search.twitter.com,2005:123`` as 123."""
    return (identifier(tag) or "").rpartition(":")[2] or None


def _gnip_place(location: Fields) -> Fields | None:
    if not location:
        return None
    return {
        "full_name": location.get("displayName") or location.get("name"),
        "country_code": location.get("twitter_country_code"),
        "bounding_box": mapping(location.get("geo")),
    }


def read_scraped(tweet: Fields) -> Fields:
    """The fields of a Post from a line of snscrape or twscrape."""
    return x_v1.read(_scraped(tweet), "snscrape line")


def _scraped(tweet: Fields) -> Fields:
    user, point, named = mapping(tweet.get("user")), mapping(tweet.get("coordinates")), mapping(tweet.get("place"))
    get = tweet.get
    status: Fields = {
        "id": get("id_str") or get("id"),
        "text": _first(get("rawContent"), get("content"), get("renderedContent")),
        "created_at": get("date"),
        "lang": get("lang"),
        "favorite_count": get("likeCount"),
        "retweet_count": get("retweetCount"),
        "in_reply_to_status_id": get("inReplyToTweetId"),
        "is_quote_status": bool(get("quotedTweet")),
        "user": {
            "id": user.get("id_str") or user.get("id"),
            "followers_count": user.get("followersCount"),
            "friends_count": user.get("friendsCount"),
            "statuses_count": user.get("statusesCount"),
            "verified": user.get("verified"),
            "created_at": user.get("created"),
        },
        "entities": {
            "hashtags": [{"text": tag} for tag in _list(get("hashtags"))],
            "user_mentions": rows(get("mentionedUsers")),
            "urls": [{} for _ in _list(get("links") or get("outlinks"))],
            "media": [_scraped_photo(row) for row in _scraped_media(get("media"))],
        },
        "coordinates": {"coordinates": [point.get("longitude"), point.get("latitude")]} if point else None,
        "place": {
            "full_name": named.get("fullName"),
            "name": named.get("name"),
            "country_code": named.get("countryCode"),
        }
        if named
        else None,
    }
    if root := mapping(get("retweetedTweet")):
        status["retweeted_status"] = _scraped(root)
    return status


def _scraped_media(media: object) -> list[Fields]:
    """Snscrape lists media; twscrape keeps photos, videos and animations apart."""
    if isinstance(media, dict):
        return [row for name in ("photos", "videos", "animated") for row in rows(media.get(name))]
    return rows(media)


def _scraped_photo(row: Fields) -> Fields:
    video = "thumbnailUrl" in row
    shown = row.get("thumbnailUrl") if video else _first(row.get("fullUrl"), row.get("url"), row.get("previewUrl"))
    return {"media_url_https": shown, "ext_alt_text": row.get("altText")}


def _first(*values: Any) -> Any:
    return next((value for value in values if isinstance(value, str)), None)


def _list(values: object) -> Iterable[object]:
    return values if isinstance(values, list) else ()


def is_flattened(value: Fields) -> bool:
    """Whether it is a v2 post without ``data``: v1.1 has a user or an ``id_str`` beside its text."""
    return not BARE_V2.isdisjoint(value) and "user" not in value and "id_str" not in value


def is_connect(value: Fields) -> bool:
    """Whether it has twitter4j's names."""
    if ("Text" in value and "Id" in value) or ("text" in value and not _ENTITIES.isdisjoint(value)):
        return True
    return "createdAt" in value and "text" in value and "user" in value and "userId" not in value


def read_scraped_elsewhere(line: Fields) -> Fields | Withdrawal:
    """The fields of a Post from a line of snscrape about another network: Telegram, Facebook, Mastodon, ..."""
    kind = str(line.get("_type"))
    if kind.endswith(("Tombstone", "TweetRef")) and "twitter" in kind:
        if kind.endswith("TweetRef") or identifier(line.get("id")) is None:
            raise NotAPost(f"snscrape: a {kind.rpartition('.')[2]} is not a post.")
        return Withdrawal(network="x", id=str(line["id"]), reason="tombstone")
    fediverse = "mastodon" in kind
    page = HtmlText(line["content"]) if fediverse and isinstance(line.get("content"), str) else None
    return own.read(
        {
            "network": "mastodon" if fediverse else "other",
            "id": line.get("url") or line.get("cleanUrl") or line.get("id"),
            "url": line.get("url") or line.get("cleanUrl"),
            "text": page.text if page else _said(line),
            "created_at": line.get("date") or line.get("created") or line.get("createdAt"),
            "media": line.get("image"),
        }
    )


def _said(line: Fields) -> str:
    """The text: of Telegram and others ``content``, of Reddit a title and a body, of Weibo ``text``."""
    parts = (line.get("title"), line.get("content") or line.get("selftext") or line.get("body") or line.get("text"))
    return "\n\n".join(part for part in parts if isinstance(part, str) and part)


def is_scraped_elsewhere(value: Fields) -> bool:
    """Whether it is a line of snscrape about another network, or about a post of X that is not there."""
    kind = string(value.get("_type")) or ""
    return kind.startswith("snscrape.") and ("twitter" not in kind or kind.endswith(("Tombstone", "TweetRef")))


def read_note(line: Fields) -> Fields:
    """The fields of a Post from a long text of X's personal archive, which has a file of its own (note-tweet.js)."""
    note = mapping(line["noteTweet"])
    core = mapping(note.get("core"))
    tags = [{"text": row.get("text")} for row in rows(core.get("hashtags"))]
    status = {"id": note.get("noteTweetId"), "text": core.get("text"), "created_at": note.get("createdAt")}
    return x_v1.read({**status, "entities": {"hashtags": tags, "urls": core.get("urls")}}, "X archive's note")


def read_web(result: Fields) -> Fields:
    """The fields of a Post as X's own pages get it: facts under ``legacy``, the author under ``core``."""
    return x_v1.read(_web(result), "X web result")


def _web(result: Fields) -> Fields:
    legacy = mapping(result.get("legacy"))
    user = mapping(mapping(mapping(result.get("core")).get("user_results")).get("result"))
    note = mapping(mapping(mapping(result.get("note_tweet")).get("note_tweet_results")).get("result"))
    status = {**legacy, "id_str": legacy.get("id_str") or result.get("rest_id")}
    control = mapping(result.get("edit_control"))
    versions = mapping(control.get("edit_control_initial")).get("edit_tweet_ids") or control.get("edit_tweet_ids")
    status["edit_history"] = {"edit_tweet_ids": versions}
    status["user"] = {**mapping(user.get("legacy")), "id_str": user.get("rest_id")}
    if string(note.get("text")):
        status["full_text"] = note["text"]
    if root := mapping(mapping(legacy.get("retweeted_status_result")).get("result")):
        status["retweeted_status"] = _web(mapping(root.get("tweet")) or root)
    return status


def is_scraped(value: Fields) -> bool:
    """Whether it is a line of snscrape or twscrape about X."""
    kind = string(value.get("_type")) or ""
    if "id" not in value and "id_str" not in value:
        return False
    return "twitter" in kind or "rawContent" in value or ("date" in value and "content" in value and "user" in value)
