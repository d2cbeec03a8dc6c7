"""Second step: a raw message becomes a normalised :class:`~stream_app.pipeline.posts.post.Post`."""
