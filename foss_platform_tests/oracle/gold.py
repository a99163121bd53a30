"""Expected rows of gold.parking_latest, gold.parking_hourly and gold.parking_typical_week, computed from silver."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from foss_platform_tests.oracle.clock import local_day, local_time, minutes
from foss_platform_tests.oracle.silver import Key, Poll, Reading, judge

TYPICAL_DAYS = 56


@dataclass(frozen=True)
class LatestRow:
    """A row of gold.parking_latest."""

    site: str
    observed_at: datetime
    status: str
    free_spaces: int | None
    is_plausible: bool | None
    age_minutes: float


@dataclass(frozen=True)
class HourlyRow:
    """A row of gold.parking_hourly."""

    site: str
    hour: datetime
    local_hour: datetime
    readings: int
    free_avg: float
    free_min: int
    free_max: int
    full_share: float


@dataclass(frozen=True)
class TypicalWeekRow:
    """A row of gold.parking_typical_week."""

    site: str
    iso_weekday: int
    local_hour_of_day: int
    readings: int
    free_p10: int
    free_p50: int
    free_p90: int


def latest(polls: Iterable[Poll], silver: Mapping[Key, Reading]) -> list[LatestRow]:
    """Return the newest reading per site that is not ahead of its poll, with its age at the newest accepted poll."""
    accepted = [poll.polled_at for poll in judge(polls) if poll.accepted]
    newest: dict[str, Reading] = {}
    for reading in silver.values():
        if reading.is_ahead:
            continue
        best = newest.get(reading.site)
        if best is None or reading.observed_at > best.observed_at:
            newest[reading.site] = reading
    return [
        LatestRow(
            site=site,
            observed_at=reading.observed_at,
            status=reading.status,
            free_spaces=reading.free_spaces,
            is_plausible=reading.is_plausible,
            age_minutes=minutes(max(accepted) - reading.observed_at),
        )
        for site, reading in sorted(newest.items())
    ]


def hourly(silver: Mapping[Key, Reading]) -> list[HourlyRow]:
    """Return the usable readings of each site in each UTC hour."""
    groups: dict[Key, list[Reading]] = defaultdict(list)
    for reading in silver.values():
        if reading.is_usable:
            hour = reading.observed_at.replace(minute=0, second=0, microsecond=0)
            groups[reading.site, hour].append(reading)
    rows = []
    for (site, hour), group in sorted(groups.items()):
        free = _free(group)
        rows.append(
            HourlyRow(
                site=site,
                hour=hour,
                local_hour=local_time(hour),
                readings=len(group),
                free_avg=sum(free) / len(free),
                free_min=min(free),
                free_max=max(free),
                full_share=sum(reading.status == "full" for reading in group) / len(group),
            )
        )
    return rows


def typical_week(silver: Mapping[Key, Reading]) -> list[TypicalWeekRow]:
    """Return usable readings by weekday and hour, over the 56 Oslo days before the day of the newest reading."""
    trusted = [reading.observed_at for reading in silver.values() if not reading.is_ahead]
    if not trusted:
        return []
    end = local_day(max(trusted))
    start = end - timedelta(days=TYPICAL_DAYS)
    groups: dict[tuple[str, int, int], list[Reading]] = defaultdict(list)
    for reading in silver.values():
        local = local_time(reading.observed_at)
        if reading.is_usable and start <= local.date() < end:
            groups[reading.site, local.isoweekday(), local.hour].append(reading)
    return [
        TypicalWeekRow(
            site=site,
            iso_weekday=weekday,
            local_hour_of_day=hour,
            readings=len(group),
            free_p10=percentile(_free(group), 10),
            free_p50=percentile(_free(group), 50),
            free_p90=percentile(_free(group), 90),
        )
        for (site, weekday, hour), group in sorted(groups.items())
    ]


def percentile(values: Iterable[int], percent: int) -> int:
    """Return the smallest value for which at least that share of all values is equal or lower."""
    ordered = sorted(values)
    for position, value in enumerate(ordered, start=1):
        if position * 100 >= percent * len(ordered):
            return value
    raise ValueError("no values")


def _free(group: Iterable[Reading]) -> list[int]:
    """Return the numbers of free spaces in a group of readings."""
    return [reading.free_spaces for reading in group if reading.free_spaces is not None]
