"""Times in the data: clock changes, invalid formats and the limit on times ahead of the poll."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foss_platform.ingest.page.feed import DataTime
from foss_platform.ingest.records.times import data_time_reader
from foss_platform_tests import hypothesis_profile  # noqa: F401

LOCAL = DataTime(fields=("Dato", "Klokkeslett"), format="%d.%m.%Y %H:%M", zone="Europe/Oslo", ahead_minutes=5)
ISO = DataTime(fields=("at",), zone="Europe/Oslo")
NOON = datetime(2020, 10, 24, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(text: str, polled_at: datetime, spec: DataTime = LOCAL) -> datetime | None:
    return data_time_reader(spec)(text, polled_at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("24.10.2020 14:30", "2020-10-24 12:30"), ("24.12.2020 14:30", "2020-12-24 13:30")],
    ids=["summer", "winter"],
)
def test_an_ordinary_time_is_read_in_its_zone(text: str, expected: str) -> None:
    assert read(text, NOON + timedelta(days=99)) == utc(expected)


@pytest.mark.parametrize(
    ("polled_at", "expected"),
    [
        ("2020-10-25 00:31", "2020-10-25 00:30"),  # first pass of the repeated hour: the second has not happened yet
        ("2020-10-25 01:24:59", "2020-10-25 00:30"),
        ("2020-10-25 01:25", "2020-10-25 01:30"),  # exactly five minutes ahead is within the rule
        ("2020-10-25 01:24:59.999999", "2020-10-25 00:30"),
        ("2020-10-25 01:31", "2020-10-25 01:30"),
        ("2020-10-26 12:00", "2020-10-25 01:30"),  # an old text is read as the later of the two instants
        ("2020-10-20 12:00", "2020-10-25 00:30"),  # a text from the future is read as the earlier instant
    ],
)
def test_the_hour_that_autumn_repeats(polled_at: str, expected: str) -> None:
    assert read("25.10.2020 02:30", utc(polled_at)) == utc(expected)


def test_the_repeated_hour_begins_and_ends_where_the_clocks_change() -> None:
    later = utc("2020-10-26 12:00")
    assert read("25.10.2020 01:59", later) == utc("2020-10-24 23:59")
    assert read("25.10.2020 02:00", later) == utc("2020-10-25 01:00")
    assert read("25.10.2020 02:59", later) == utc("2020-10-25 01:59")
    assert read("25.10.2020 03:00", later) == utc("2020-10-25 02:00")


@pytest.mark.parametrize("clock", ["02:00", "02:30", "02:59"])
def test_the_hour_that_spring_skips_does_not_exist(clock: str) -> None:
    assert read(f"29.03.2020 {clock}", NOON) is None


def test_the_skipped_hour_begins_and_ends_where_the_clocks_change() -> None:
    assert read("29.03.2020 01:59", NOON) == utc("2020-03-29 00:59")
    assert read("29.03.2020 03:00", NOON) == utc("2020-03-29 01:00")


def test_time_ahead_of_its_poll_is_still_parsed() -> None:
    assert read("24.10.2020 18:00", NOON) == utc("2020-10-24 16:00")


def test_ambiguous_text_is_resolved_for_each_poll_separately() -> None:
    reader = data_time_reader(LOCAL)
    passes = [reader("25.10.2020 02:10", utc(f"2020-10-25 {clock}")) for clock in ("00:11", "01:11", "00:11")]
    assert passes == [utc("2020-10-25 00:10"), utc("2020-10-25 01:10"), utc("2020-10-25 00:10")]


@pytest.mark.parametrize(
    "text",
    [
        "5.1.2020 2:00",
        "05.01.2020 2:00",
        "05.01.20 02:00",
        "05.01.2020  02:00",
        " 05.01.2020 02:00",
        "05.01.2020 02:00 ",
        "05.01.2020\t02:00",
        "05.01.2020 02:00\n",
        "05.01.2020 02:00\x00",
        "05.01.2020 24:00",
        "30.02.2020 12:00",
        "29.02.2021 12:00",
        "00.01.2020 12:00",
        "05.01.0020 12:00",
        "05/01/2020 02:00",
        "2020-01-05 02:00",
        "٠٥.٠١.٢٠٢٠ ٠٢:٠٠",  # digits of another script
        "05.01.2020",
        "",
        " ",
    ],
)
def test_text_in_another_format_is_not_a_time(text: str) -> None:
    assert read(text, NOON) is None


def test_times_at_the_limits_of_the_calendar_do_not_crash() -> None:
    for text in ("01.01.0001 00:00", "31.12.9999 23:59", "01.01.10000 00:00"):
        assert read(text, NOON) is None or text.startswith("31.12.9999")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-10-24T14:30:00+02:00", "2020-10-24 12:30"),
        ("2020-10-24T12:30:00Z", "2020-10-24 12:30"),
        ("2020-10-24T12:30:00.123456+00:00", "2020-10-24 12:30:00.123456"),
        ("2020-10-24T07:00:00-05:30", "2020-10-24 12:30"),
        ("2020-10-24T14:30:00", "2020-10-24 12:30"),  # no offset: the page's zone
        ("2020-10-25T02:30:00+02:00", "2020-10-25 00:30"),  # with an offset the instant is unambiguous
        ("2020-10-25T02:30:00+01:00", "2020-10-25 01:30"),
    ],
)
def test_iso8601(text: str, expected: str) -> None:
    assert read(text, utc("2020-10-26 12:00"), ISO) == utc(expected)


@pytest.mark.parametrize(
    "text",
    [
        "2020-03-29T02:30:00",
        "2020-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2020-10-24T12:30:00+25:00",
        "now",
        "1603542600",
        "",
    ],
)
def test_iso8601_text_that_is_not_an_instant(text: str) -> None:
    assert read(text, NOON, ISO) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)).map(lambda t: t.replace(second=0, microsecond=0)))  # noqa: DTZ001
def test_instant_written_as_local_time_round_trips(moment: datetime) -> None:
    instant = moment.replace(tzinfo=UTC)
    text = instant.astimezone(LOCAL.zone_info).strftime(LOCAL.format)
    assert read(text, instant) == instant


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_none(text: str) -> None:
    for spec in (LOCAL, ISO):
        instant = read(text, NOON, spec)
        assert instant is None or instant.tzinfo is UTC
