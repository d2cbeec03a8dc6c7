"""``python -m stream_app`` is ``crisis-stream``."""

from stream_app.cli import main

main()
