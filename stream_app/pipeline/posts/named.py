"""Deletions that say no more than which row of a table it was, or which key of a topic."""

from __future__ import annotations

from typing import Any, get_args

from stream_app.pipeline.posts.errors import PostError
from stream_app.pipeline.posts.facts import identifier, string
from stream_app.pipeline.posts.post import Network, Withdrawal

_NETWORKS = frozenset(get_args(Network))
_IDS = ("uri", "id", "id_str", "_id", "post_id", "tweet_id")


def named(key: Any) -> Withdrawal:
    """The post that a row's key names: ``network/id``, an id that tells its network, or an object that has one.

    Raises:
        PostError: it names none.
    """
    if isinstance(key, dict):
        key = key.get("payload", key) if "schema" in key else key
    if isinstance(key, dict):
        ids = (identifier(key.get(name)) for name in _IDS)
        name, network = next((each for each in ids if each), None), string(key.get("network"))
    else:
        name, network = identifier(key), None
    if name is None:
        raise PostError("A deletion that names no post.")
    head, _, rest = name.partition("/")
    if network is None and head in _NETWORKS and rest:
        network, name = head, rest
    known: Any = network if network in _NETWORKS else _network_of(name)
    return Withdrawal(network=known, id=name, reason="deleted")


def _network_of(name: str) -> Network:
    if name.startswith("at://"):
        return "bluesky"
    if name.startswith(("https://", "http://")):
        return "mastodon"
    return "x" if name.isascii() and name.isdigit() and 5 <= len(name) <= 20 else "other"
