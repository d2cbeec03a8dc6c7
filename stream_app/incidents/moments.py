"""Dates at the ends of the calendar: a post may say that it was written in the year 1, and it is somebody's post."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def moved(moment: datetime, by: timedelta) -> datetime:
    """``moment + by``, but never before the year 1 or after the year 9999."""
    try:
        return moment + by
    except OverflowError:
        return FIRST if by < timedelta() else LAST
