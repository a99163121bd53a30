"""Expected rows of gold.parking_feed_health, computed from the polls and silver."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from foss_platform_tests.oracle.clock import local_day, minutes
from foss_platform_tests.oracle.silver import JudgedPoll, Key, Poll, Reading, judge

WITHOUT_POLL_AFTER = timedelta(minutes=10)
FROZEN_AFTER = timedelta(minutes=15)


@dataclass(frozen=True)
class FeedHealthRow:
    """A row of gold.parking_feed_health."""

    local_day: date
    polls: int
    polls_failed: int
    polls_with_new_readings: int
    readings: int
    rejected_records: int
    longest_gap_minutes: float | None
    minutes_frozen: float
    minutes_without_poll: float


def feed_health(polls: Iterable[Poll], silver: Mapping[Key, Reading]) -> list[FeedHealthRow]:
    """Return one row for each Oslo day with a poll attempt, successful or not."""
    by_day: dict[date, list[JudgedPoll]] = defaultdict(list)
    judged = judge(polls)
    for poll in judged:
        by_day[local_day(poll.polled_at)].append(poll)
    rows_by_day: dict[date, list[Reading]] = defaultdict(list)
    for reading in silver.values():
        rows_by_day[local_day(reading.polled_at)].append(reading)
    accepted = sorted((poll for poll in judged if poll.accepted), key=lambda poll: (poll.polled_at, poll.newest))
    without_poll, frozen = _silent_minutes(accepted)
    gaps = _longest_gaps(accepted)
    return [
        FeedHealthRow(
            local_day=day,
            polls=len(of_day),
            polls_failed=sum(not poll.accepted for poll in of_day),
            polls_with_new_readings=len({(row.polled_at, row.batch_id) for row in rows_by_day[day]}),
            readings=len(rows_by_day[day]),
            rejected_records=sum(poll.rejected for poll in of_day),
            longest_gap_minutes=gaps.get(day),
            minutes_frozen=frozen.get(day, 0.0),
            minutes_without_poll=without_poll.get(day, 0.0),
        )
        for day, of_day in sorted(by_day.items())
    ]


def _silent_minutes(accepted: list[JudgedPoll]) -> tuple[dict[date, float], dict[date, float]]:
    """Return minutes without a poll and minutes frozen, by the day in which the interval between two polls ends."""
    without_poll: dict[date, float] = defaultdict(float)
    frozen: dict[date, float] = defaultdict(float)
    run_start = accepted[0].polled_at if accepted else None
    for first, second in pairwise(accepted):
        interval = second.polled_at - first.polled_at
        moved = second.newest != first.newest
        if moved:
            run_start = second.polled_at
        day = local_day(second.polled_at)
        if interval > WITHOUT_POLL_AFTER:
            without_poll[day] += minutes(interval)
        elif not moved and run_start is not None and second.polled_at - run_start > FROZEN_AFTER:
            frozen[day] += minutes(interval)
    return without_poll, frozen


def _longest_gaps(accepted: list[JudgedPoll]) -> dict[date, float]:
    """Return the longest gap between adjacent data times, by the day in which the gap ends."""
    longest: dict[date, float] = {}
    for earlier, later in pairwise(sorted({poll.newest for poll in accepted})):
        day = local_day(later)
        longest[day] = max(longest.get(day, 0.0), minutes(later - earlier))
    return longest
