"""What a command loads when it works: imported once by the process that :mod:`commands` forks from."""

from stream_app.pipeline.posts.enrich import Enricher

Enricher().warm_up()
