"""Times of the feed: Oslo local time without an offset, and what instants it can mean."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
TOLERANCE = timedelta(minutes=5)

_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)


@cache
def instants(dato: str, klokkeslett: str) -> tuple[datetime, ...]:
    """All UTC instants at which clocks in Oslo show the time, in order.

    Empty for a time that cannot be read or that the spring change of clocks skips; two for the hour
    that happens twice in autumn.
    """
    day, clock = _DATE.fullmatch(dato), _TIME.fullmatch(klokkeslett)
    if day is None or clock is None:
        return ()
    found = set()
    for fold in (0, 1):
        try:
            local = datetime(
                int(day[3]), int(day[2]), int(day[1]), int(clock[1]), int(clock[2]), tzinfo=OSLO, fold=fold
            )
            instant = local.astimezone(UTC)
        except (ValueError, OverflowError):
            return ()
        if local_time(instant) == local.replace(tzinfo=None, fold=0):
            found.add(instant)
    return tuple(sorted(found))


def resolve(candidates: tuple[datetime, ...], polled_at: datetime) -> datetime:
    """Of the instants a time can mean, the latest not ahead of the poll by more than the tolerance, else the first."""
    behind = [instant for instant in candidates if instant <= polled_at + TOLERANCE]
    return max(behind) if behind else min(candidates)


def local_time(instant: datetime) -> datetime:
    """What clocks in Oslo show at the instant, without an offset."""
    return instant.astimezone(OSLO).replace(tzinfo=None, fold=0)


def local_day(instant: datetime) -> date:
    """The day of the calendar in Oslo at the instant."""
    return local_time(instant).date()


def minutes(span: timedelta) -> float:
    """A span in minutes."""
    return span.total_seconds() / 60
