"""What is remembered of texts read lately."""

from datetime import UTC, datetime

from stream_app.pipeline.posts import enrich
from stream_app.pipeline.posts.post import Post


def test_only_short_texts_are_remembered():
    """Thousands of the longest would be a gigabyte."""
    asked = []
    read = enrich._recent(lambda text: asked.append(text) or "en")
    long = "x" * (enrich._SHORT + 1)
    assert [read(text) for text in ("short", "short", long, long)] == ["en"] * 4
    assert asked == ["short", long, long]


def test_a_text_that_breaks_what_reads_it_costs_the_post_no_more_than_its_place(monkeypatch, caplog):
    monkeypatch.setattr(enrich, "is_eyewitness", lambda text: 1 / 0)
    post = Post(network="x", id="7", root_id="7", text="Floods in Colombo", created_at=datetime(2026, 3, 1, tzinfo=UTC))
    assert enrich.Enricher().told(post) == post
    assert "'7' of x cannot be searched" in caplog.text
