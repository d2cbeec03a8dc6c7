"""The live dashboard: map, feed, incidents and health in an analyst's browser.

Kafka -> :mod:`~stream_app.dashboard.follow` -> :class:`~stream_app.dashboard.state.DashboardState` (bounded) ->
:class:`~stream_app.dashboard.hub.Hub` -> Server-Sent Events -> ``static/``.
"""
