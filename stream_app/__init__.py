"""crisis-stream: labels social-media posts about disasters as they stream through Kafka.

A post's way through the code: ``feed`` -> ``posts`` (parse) -> ``media`` (fetch, decode) -> ``labelling``
(batch, score) -> ``events`` (route, publish).
"""

from importlib.metadata import version

__version__ = version("crisis-stream")
