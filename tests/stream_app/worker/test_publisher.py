"""How the publisher counts and places what it writes."""

from aiokafka.structs import ConsumerRecord

from stream_app.pipeline.events.dead_letter import Failure
from stream_app.pipeline.events.publish import Record
from stream_app.worker import publisher
from stream_app.worker.publisher import Outcome, _first_posts, _hash
from stream_app.worker.room import size_of


class Finished:
    """What counts of a record that is done with."""

    def __init__(self, size, partition=0):
        self.size, self.posts, self.source = size, 1, ConsumerRecord("posts", partition, *[0] * 3, *[b""] * 2, *[0] * 4)


def test_a_strangers_endless_key_is_not_hashed_in_python(monkeypatch):
    """A megabyte takes murmur2 more than a second, in which no heartbeat goes out: the feed would stop at it."""
    monkeypatch.setattr(publisher, "murmur2", len)
    assert _hash(b"k" * 100) == 100, "as every client hashes, so that a post's events meet in one partition"
    assert _hash(b"k" * 2**20) not in (2**20, _hash(b"j" * 2**20))
    assert _hash(None) == 0


def test_headers_and_keys_count_in_the_room_and_in_a_transaction():
    read = ConsumerRecord("posts", 0, 0, 0, 0, b"key", b"value", None, 3, 5, [("a", b"1234"), ("b", None)])
    assert size_of(read) == 3 + 5 + 5 + 1
    written = Record("events", b"key", b"value", [("a", b"1234")])
    assert publisher._size(Outcome([written, written])) == 2 * (3 + 5), "in each topic that it goes to"
    assert publisher._size(Outcome([written], failure=Failure("parse", "no post"))) == 3 + 5 + 5


def test_a_transaction_is_cut_by_bytes_and_holds_one_record_at_least():
    waiting = [Finished(10), Finished(10), Finished(10)]
    assert [len(part) for part in _first_posts(waiting, 100, 25)] == [2, 1]
    assert [len(part) for part in _first_posts(waiting, 100, 5)] == [1, 2]
    assert [len(part) for part in _first_posts(waiting, 2, 1000)] == [2, 1]


def test_a_fresh_post_is_not_behind_all_that_is_done_of_a_backlog():
    backlog, fresh = [Finished(10) for _ in range(100)], Finished(10, partition=1)
    batch, rest = _first_posts([*backlog, fresh], 2048, 50)
    assert batch == [backlog[0], fresh, *backlog[1:4]]
    assert rest == backlog[4:], "in their order"
    assert _first_posts([*backlog, fresh], 2048, 10_000) == ([*backlog, fresh], [])
