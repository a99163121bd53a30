"""The data's own time: from a feed's local text to an instant. Pure functions, no clock.

A local time without an offset is ambiguous in the hour that autumn repeats and does not exist in
the hour that spring skips; both are settled here, in one place, as SQL settles them in its macro.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from foss_platform.ingest.page.feed import DataTime


def data_time_reader(spec: DataTime) -> Callable[[str, datetime], datetime | None]:
    """A function from (text, poll time in UTC) to the instant in UTC, or None where there is none.

    None means that the text cannot be read in the feed's format, or names an hour that does not exist.
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
    """The one or two instants, in order, that `text` can mean; none where it is unreadable or skipped."""
    if "\0" in text:  # fromisoformat overlooks it at the end
        return ()
    try:
        local = datetime.fromisoformat(text) if format_ == "iso8601" else _parse_strictly(text, format_)
        if local is None:
            return ()
        if local.tzinfo is not None:
            return (local.astimezone(UTC),)
        first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            # neither in an hour that is repeated nor in one that is skipped
            return (first.astimezone(UTC),)
        instants = {first.astimezone(UTC), second.astimezone(UTC)}
        return tuple(sorted(i for i in instants if i.astimezone(zone).replace(tzinfo=None) == local))
    except (ValueError, OverflowError):
        return ()


def _parse_strictly(text: str, format_: str) -> datetime | None:
    """Parse, and refuse what reads back differently: `strptime` takes `1.2.2020`, other engines may not."""
    # the zone, where there is one, comes from the feed's page
    parsed = datetime.strptime(text, format_)  # noqa: DTZ007
    return parsed if parsed.strftime(format_) == text else None
