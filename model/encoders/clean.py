"""A post's text as the text encoder reads it: the same in training and in service."""

from __future__ import annotations

import html
import re

_REPOST = re.compile(r"^\s*RT\s+@\w+\s*:?\s*")
_LINK = re.compile(r"(?:https?://|www\.)\S*|pic\.twitter\.com/\S*")
_NAME = re.compile(r"@\w+")
_HASHTAG = re.compile(r"#(\w+)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)")
_SPACE = re.compile(r"\s+")
LONGEST = 600
"""Characters read of a post: of a longer one its beginning and its end, where an order or a plea often stands."""


def clean(text: str) -> str:
    """Text without addresses and names of accounts, hashtags as words; possibly empty.

    A shortened link is 15 word pieces that mean nothing: without them a tweet is half as long, and twice as fast.
    """
    text = _REPOST.sub("", html.unescape(text))
    text = _NAME.sub("@user", _LINK.sub(" ", text))
    text = _HASHTAG.sub(lambda match: _CAMEL.sub(" ", match[1]).replace("_", " "), text)
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} {text[1 - LONGEST // 2 :]}"
