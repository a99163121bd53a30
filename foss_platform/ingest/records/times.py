"""Converts the local times in a feed's records to instants, with pure functions and without a clock.

A local time without an offset is ambiguous in the hour that is repeated in autumn, and does not exist in the hour that
is skipped in spring. This module decides both cases by the same rules as the SQL macro.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from foss_platform.ingest.page.feed import DataTime


def data_time_reader(spec: DataTime) -> Callable[[str, datetime], datetime | None]:
    """Return a function that converts a text and the poll time (UTC) to an instant in UTC.

    The function returns None if the text does not match the feed's format, or if the time does not exist.
    """
    zone = spec.zone_info
    ahead = timedelta(minutes=spec.ahead_minutes)

    @lru_cache(maxsize=4096)
    def candidates(text: str) -> tuple[datetime, ...]:
        return _candidates(text, spec.format, zone)

    def read(text: str, polled_at: datetime) -> datetime | None:
        instants = candidates(text)
        if not instants:
            return None
        earlier, later = instants[0], instants[-1]
        return later if later - polled_at <= ahead else earlier

    return read


def _candidates(text: str, format_: str, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the one or two possible instants of `text`, in order. Empty if `text` is unreadable or a skipped time."""
    if "\0" in text:  # fromisoformat ignores a null character at the end
        return ()
    try:
        local = datetime.fromisoformat(text) if format_ == "iso8601" else _parse_strictly(text, format_)
        if local is None:
            return ()
        if local.tzinfo is not None:
            return (local.astimezone(UTC),)
        first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            # the time is neither repeated nor skipped
            return (first.astimezone(UTC),)
        instants = {first.astimezone(UTC), second.astimezone(UTC)}
        return tuple(sorted(i for i in instants if i.astimezone(zone).replace(tzinfo=None) == local))
    except (ValueError, OverflowError):
        return ()


def _parse_strictly(text: str, format_: str) -> datetime | None:
    """Parse a time, and refuse text in another form. `strptime` accepts `1.2.2020`, but other engines may not."""
    # the caller adds the zone of the feed's page, unless the text contains an offset
    parsed = datetime.strptime(text, format_)  # noqa: DTZ007
    return parsed if parsed.strftime(format_) == text else None
