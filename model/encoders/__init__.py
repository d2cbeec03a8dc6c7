"""What turns a text, a photo and the facts about a post into one vector each."""
