"""The oracle on cases small enough to verify by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from foss_platform_tests.oracle import Poll, Reading, feed_health, hourly, latest, readings, typical_week
from foss_platform_tests.oracle.gold import percentile

CAPACITIES = {"Jernbanen": 500, "Forum": 325}


def utc(text: str) -> datetime:
    """Return an instant in 2020 from a month-day and a UTC time."""
    return datetime.fromisoformat(f"2020-{text}+00:00")


def record(dato: str, klokkeslett: str, free: str = "10", site: str = "Forum", **other: object) -> dict[str, object]:
    return {
        "Dato": dato,
        "Klokkeslett": klokkeslett,
        "Sted": site,
        "Latitude": "58.95",
        "Longitude": "5.70",
        "Antall_ledige_plasser": free,
    } | other


def poll(at: str, *records: object, batch_id: str = "a", accepted: bool = True) -> Poll:
    return Poll(utc(at), batch_id, list(records), accepted)


def only(*polls: Poll) -> Reading:
    (reading,) = readings(polls, CAPACITIES).values()
    return reading


@pytest.mark.parametrize(
    ("polled_at", "clock", "expected"),
    [
        ("10-25T00:05", "02:03", "10-25T00:03"),  # first pass
        ("10-25T01:05", "02:03", "10-25T01:03"),  # second pass
        ("10-25T00:58", "02:03", "10-25T01:03"),  # exactly 5 minutes ahead
        ("10-25T00:57", "02:03", "10-25T00:03"),  # one more
        ("10-25T02:00", "02:59", "10-25T01:59"),  # polled after both
        ("10-24T20:00", "02:00", "10-25T00:00"),  # neither: the earlier
        ("10-25T01:05", "03:00", "10-25T02:00"),
    ],
)
def test_autumn_change_of_clocks(polled_at: str, clock: str, expected: str) -> None:
    assert only(poll(polled_at, record("25.10.2020", clock))).observed_at == utc(expected)


def test_both_passes_of_the_repeated_hour_are_rows() -> None:
    silver = readings(
        [
            poll("10-25T00:05", record("25.10.2020", "02:03", "1")),
            poll("10-25T01:05", record("25.10.2020", "02:03", "2")),
        ],
        CAPACITIES,
    )
    assert [(at, row.free_spaces) for (_, at), row in silver.items()] == [
        (utc("10-25T00:03"), 1),
        (utc("10-25T01:03"), 2),
    ]
    assert [(row.hour, row.local_hour.hour) for row in hourly(silver)] == [
        (utc("10-25T00:00"), 2),
        (utc("10-25T01:00"), 2),
    ]


@pytest.mark.parametrize(("clock", "expected"), [("01:59", "03-29T00:59"), ("03:00", "03-29T01:00")])
def test_around_the_spring_change_of_clocks(clock: str, expected: str) -> None:
    assert only(poll("03-29T01:02", record("29.03.2020", clock))).observed_at == utc(expected)


@pytest.mark.parametrize(
    "broken",
    [
        record("29.03.2020", "02:00"),
        record("29.03.2020", "02:59"),
        record("31.02.2020", "12:00"),
        record("2020-03-01", "12:00"),
        record("01.03.2020", "24:00"),
        record("01.03.2020", "12:00:00"),
        record("01.03.2020", ""),
        record("01.01.0001", "00:10"),
        record("01.03.2020", "12:00", Antall_ledige_plasser=10),
        record("01.03.2020", "12:00", Latitude=None),
        {key: value for key, value in record("01.03.2020", "12:00").items() if key != "Longitude"},
        None,
        "text",
        ["list"],
    ],
)
def test_broken_records_are_rejected_and_the_others_accepted(broken: object) -> None:
    mixed = [poll("03-29T10:00", broken, record("29.03.2020", "11:58"))]
    silver = readings(mixed, CAPACITIES)
    assert list(silver) == [("Forum", utc("03-29T09:58"))]
    (row,) = feed_health(mixed, silver)
    assert (row.polls, row.polls_failed, row.rejected_records) == (1, 0, 1)

    alone = [poll("03-29T10:00", broken)]
    assert readings(alone, CAPACITIES) == {}
    (row,) = feed_health(alone, {})
    assert (row.polls, row.polls_failed, row.rejected_records) == (1, 1, 1)


@pytest.mark.parametrize(
    ("raw", "status", "free", "plausible"),
    [
        ("0", "counted", 0, True),
        (" 325 ", "counted", 325, True),
        ("326", "counted", 326, False),
        ("0,00", "counted", 0, True),
        ("12.0", "counted", 12, True),
        ("999999999", "counted", 999999999, False),
        ("1234567890", "unreadable", None, None),
        ("12.", "unreadable", None, None),
        ("12,50", "unreadable", None, None),
        ("-1", "unreadable", None, None),
        ("\u0661", "unreadable", None, None),
        ("", "unreadable", None, None),
        (" Fullt ", "full", 0, True),
        ("fullt", "unreadable", None, None),
        ("Open", "open", None, None),
    ],
)
def test_values(raw: str, status: str, free: int | None, plausible: bool | None) -> None:
    reading = only(poll("11-02T10:00", record("02.11.2020", "10:58", raw)))
    assert (reading.raw_value, reading.status, reading.free_spaces) == (raw, status, free)
    assert reading.is_plausible is plausible


def test_unknown_capacity_trimmed_site_and_unreadable_place() -> None:
    row = record("02.11.2020", "10:58", "2181", " Kyrre ", Latitude="58,9", Longitude=" 5.7 ")
    reading = only(poll("11-02T10:00", row))
    assert (reading.site, reading.is_plausible, reading.latitude, reading.longitude) == ("Kyrre", None, None, 5.7)
    assert reading.is_usable


def test_first_record_is_by_poll_then_batch_then_position() -> None:
    def at(free: str) -> dict[str, object]:
        return record("02.11.2020", "10:58", free)

    polls = [
        poll("11-02T10:04", at("1"), batch_id="a"),
        poll("11-02T10:00", at("2"), batch_id="c"),
        poll("11-02T10:00", at("3"), at("4"), batch_id="b"),
        poll("11-02T09:59", at("5"), batch_id="a", accepted=False),
    ]
    reading = only(*polls)
    assert (reading.free_spaces, reading.batch_id) == (3, "b")


def test_latest_includes_every_status_but_no_reading_ahead_of_its_poll() -> None:
    polls = [
        poll("11-02T10:00", record("02.11.2020", "10:57"), record("02.11.2020", "11:06", site="Kyrre")),
        poll("11-02T10:04", record("02.11.2020", "11:09", "Open")),
        poll("11-02T10:08", record("02.11.2020", "11:14", "7")),
        poll("11-02T10:30", accepted=False),
        poll("11-02T10:34", record("99.99.2020", "11:33")),
    ]
    (row,) = latest(polls, readings(polls, CAPACITIES))
    assert (row.site, row.observed_at, row.status, row.free_spaces) == ("Forum", utc("11-02T10:09"), "open", None)
    assert row.age_minutes == -1.0


def test_hourly_counts_usable_readings_only() -> None:
    values = ["10", "Fullt", "326", "Open", "x", "20", "6"]
    polls = [poll("11-02T11:00", *[record("02.11.2020", f"11:0{n}", free) for n, free in enumerate(values)])]
    polls.append(poll("11-02T12:00", record("02.11.2020", "12:00", "2181")))
    (row,) = hourly(readings(polls, CAPACITIES))
    assert (row.hour, row.local_hour.isoformat()) == (utc("11-02T10:00"), "2020-11-02T11:00:00")
    assert (row.readings, row.free_avg, row.free_min, row.free_max, row.full_share) == (4, 9.0, 0, 20, 0.25)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7], (7, 7, 7)),
        ([2, 1], (1, 1, 2)),
        ([3, 1, 2], (1, 2, 3)),
        (range(10, 0, -1), (1, 5, 9)),
        (range(1, 12), (2, 6, 10)),
        ([5, 5, 5, 9], (5, 5, 9)),
    ],
)
def test_percentiles_are_values(values: Sequence[int], expected: tuple[int, int, int]) -> None:
    assert tuple(percentile(values, percent) for percent in (10, 50, 90)) == expected


def test_typical_week_covers_56_local_days_before_the_day_of_the_newest_reading() -> None:
    newest = date(2020, 11, 2)
    first = newest - timedelta(days=56)

    def around(day: date, clock: str, free: str) -> Poll:
        polled_at = datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)
        return Poll(polled_at, "a", [record(f"{day:%d.%m.%Y}", clock, free)])

    polls = [
        around(first - timedelta(days=1), "23:59", "1"),
        around(first, "00:00", "2"),
        around(newest - timedelta(days=7), "00:10", "4"),
        around(newest - timedelta(days=1), "23:59", "3"),
        around(newest - timedelta(days=1), "23:58", "326"),
        around(newest, "00:00", "5"),
        Poll(utc("11-02T23:40"), "ahead", [record("04.11.2020", "00:00", "6")]),
    ]
    rows = typical_week(readings(polls, CAPACITIES))
    assert [(row.iso_weekday, row.local_hour_of_day, row.readings, row.free_p10, row.free_p90) for row in rows] == [
        (1, 0, 2, 2, 4),
        (7, 23, 1, 3, 3),
    ]
    assert typical_week({}) == []


def test_freeze_starts_with_the_interval_that_exceeds_15_minutes() -> None:
    polls = [poll("11-02T10:00", record("02.11.2020", "10:58"))]
    polls += [poll(f"11-02T10:{minute:02}", record("02.11.2020", "11:02")) for minute in (5, 10, 15, 20, 21, 27)]
    polls += [poll("11-02T10:30", record("02.11.2020", "11:28"))]
    (row,) = feed_health(polls, readings(polls, CAPACITIES))
    # unchanged since 10:05, which at 10:20 is exactly 15 minutes
    assert (row.minutes_frozen, row.minutes_without_poll, row.longest_gap_minutes) == (7.0, 0.0, 26.0)
    assert (row.polls, row.polls_with_new_readings, row.readings) == (8, 3, 3)


def test_time_without_polls_is_not_frozen_and_does_not_end_a_freeze() -> None:
    polls = [poll(f"11-02T{clock}", record("02.11.2020", "10:58")) for clock in ("10:00", "10:10", "10:21", "10:25")]
    polls.insert(3, poll("11-02T10:22", accepted=False))
    (row,) = feed_health(polls, readings(polls, CAPACITIES))
    assert (row.minutes_without_poll, row.minutes_frozen, row.longest_gap_minutes) == (11.0, 4.0, None)
    assert (row.polls, row.polls_failed, row.polls_with_new_readings) == (5, 1, 1)


def test_minutes_and_gaps_belong_to_the_oslo_day_in_which_they_end() -> None:
    polls = [
        poll("11-02T22:00", record("02.11.2020", "22:58")),
        poll("11-02T23:01", record("02.11.2020", "23:59")),  # polled on the 3rd, data of the 2nd
        poll("11-02T23:04", record("03.11.2020", "00:02"), record("03.11.2020", "00:01")),
        poll("11-04T23:04", accepted=False),
    ]
    second, third, fifth = feed_health(polls, readings(polls, CAPACITIES))
    assert (second.local_day, second.longest_gap_minutes, second.minutes_without_poll) == (date(2020, 11, 2), 61.0, 0.0)
    assert (third.local_day, third.longest_gap_minutes, third.minutes_without_poll) == (date(2020, 11, 3), 3.0, 61.0)
    assert (second.readings, third.readings, third.polls_with_new_readings) == (1, 3, 2)
    assert (fifth.local_day, fifth.polls, fifth.polls_failed) == (date(2020, 11, 5), 1, 1)
    assert (fifth.longest_gap_minutes, fifth.minutes_frozen, fifth.minutes_without_poll) == (None, 0.0, 0.0)
