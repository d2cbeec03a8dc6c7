"""Third step: a post's images are fetched from hostile addresses and decoded within limits."""
