"""One post's way, a folder a step: feed, posts, media, labelling, events. A step knows only those before it."""
