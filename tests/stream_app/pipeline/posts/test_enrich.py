"""What is remembered of texts read lately."""

from stream_app.pipeline.posts import enrich


def test_only_short_texts_are_remembered():
    """Thousands of the longest would be a gigabyte."""
    asked = []
    read = enrich._recent(lambda text: asked.append(text) or "en")
    long = "x" * (enrich._SHORT + 1)
    assert [read(text) for text in ("short", "short", long, long)] == ["en"] * 4
    assert asked == ["short", long, long]
