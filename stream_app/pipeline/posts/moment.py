"""Times that can be reckoned with: a post may say that it was written in the year 1, and it is somebody's post."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def in_utc(moment: datetime) -> datetime:
    """With its offset; UTC where it names none, and on the calendar's last days, which may lie past them elsewhere."""
    if moment.tzinfo is None or not FIRST.year < moment.year < LAST.year:
        return moment.replace(tzinfo=UTC)
    return moment


Moment = Annotated[datetime, AfterValidator(in_utc)]
"""A time within a message, whoever wrote it: any two can be compared."""


def moved(moment: datetime, by: timedelta) -> datetime:
    """``moment + by``, but never before the year 1 or after the year 9999."""
    try:
        return moment + by
    except OverflowError:
        return FIRST if by < timedelta() else LAST
