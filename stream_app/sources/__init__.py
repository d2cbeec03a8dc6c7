"""Takes posts from a network's own stream into the feed topic, its place kept in the same transactions."""
