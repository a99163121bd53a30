"""Times of the feed: Oslo local time without an offset, and the instants that it can mean."""

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
    """Return all UTC instants at which clocks in Oslo show the time, in order.

    The result is empty if the time cannot be parsed or is skipped by the spring clock change. It has two
    instants in the hour that occurs twice in autumn.
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
    """Return the latest instant that is not ahead of the poll by more than the tolerance, else the first instant."""
    behind = [instant for instant in candidates if instant <= polled_at + TOLERANCE]
    return max(behind) if behind else min(candidates)


def local_time(instant: datetime) -> datetime:
    """Return the local time in Oslo at the instant, without an offset."""
    return instant.astimezone(OSLO).replace(tzinfo=None, fold=0)


def local_day(instant: datetime) -> date:
    """Return the calendar day in Oslo at the instant."""
    return local_time(instant).date()


def minutes(span: timedelta) -> float:
    """Return a duration in minutes."""
    return span.total_seconds() / 60
