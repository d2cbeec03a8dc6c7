"""Alerts reach people: rules pick what to tell from the topics, an outbox in Kafka remembers what was told to whom.

Topics -> :mod:`~stream_app.notify.rules` -> :mod:`~stream_app.notify.outbox` -> :mod:`~stream_app.notify.channels`.
"""
