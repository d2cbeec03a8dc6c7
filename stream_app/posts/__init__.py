"""Second step: a raw message becomes a normalised :class:`~stream_app.posts.post.Post`."""
