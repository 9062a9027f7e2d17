"""Days, weeks and months of a guard (03: "day boundary by time zone"), by the standard library."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

SECOND_NS = 1_000_000_000
NOON_S = 12 * 3600
DAY = timedelta(days=1)


@cache
def begins_ns(day: date, zone: str, begins_s: int) -> int:
    """When a day begins. From noon on it is the evening before. "Where a clock change leaves the time out,
    the day begins as much later"; a time that comes twice is its first."""
    local = day - DAY if begins_s >= NOON_S else day
    at = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(zone)) + timedelta(seconds=begins_s)
    return round(at.timestamp()) * SECOND_NS


def day_of(at_ns: int, zone: str, begins_s: int) -> date:
    """The day that a time belongs to: the newest one that has begun."""
    day = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).date() + 2 * DAY
    while begins_ns(day, zone, begins_s) > at_ns:
        day -= DAY
    return day


def is_plain(day: date, zone: str, begins_s: int) -> bool:
    """Whether a day has 24 hours."""
    return begins_ns(day + DAY, zone, begins_s) - begins_ns(day, zone, begins_s) == 24 * 3600 * SECOND_NS


def first_day(day: date, period: str) -> date:
    """The first day of a period: "weeks with the day of Monday, months with that of the first"."""
    if period == "week":
        return day - day.weekday() * DAY
    if period == "month":
        return day.replace(day=1)
    return date.min if period == "lifetime" else day
