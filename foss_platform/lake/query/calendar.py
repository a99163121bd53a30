"""Conversion between Arrow's dates and times and ISO 8601 text, also outside of Python's years 1 to 9999.

As in ISO 8601 and Java, a year above 9999 has a plus sign, a year before 1 has a minus sign, and year 0 is 1 BC.
"""

import re
from datetime import date
from functools import lru_cache

#: Number of units in a second.
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

# The calendar repeats every 400 years.
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400
_EPOCH = date(1970, 1, 1).toordinal() - 1
_DAY = re.compile(r"([+-]?)(\d{1,9})-(\d\d)-(\d\d)")
_CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?")


@lru_cache(maxsize=10_000)
def day_text(days: int) -> str:
    """Return a date, given as days since 1970-01-01."""
    cycles, rest = divmod(days + _EPOCH, _CYCLE_DAYS)
    day = date.fromordinal(rest + 1)
    year = day.year + cycles * _CYCLE_YEARS
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{day.month:02d}-{day.day:02d}"


def clock_text(count: int, unit: str) -> str:
    """Return a time of day. A fraction has six digits, or nine if six are not enough. A fraction of 0 is omitted."""
    seconds, fraction = divmod(count, PER_SECOND[unit])
    minutes, second = divmod(seconds, 60)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"
    if not fraction:
        return text
    nanoseconds = f"{fraction * (PER_SECOND['ns'] // PER_SECOND[unit]):09d}"
    return f"{text}.{nanoseconds.removesuffix('000')}"


def moment_text(count: int, unit: str, *, zoned: bool) -> str:
    """Return a timestamp, given as a count of units since 1970. A timestamp with a zone is written in UTC."""
    days, rest = divmod(count, 86_400 * PER_SECOND[unit])
    return f"{day_text(days)}T{clock_text(rest, unit)}{'+00:00' if zoned else ''}"


def interval_text(months: int, days: int, nanoseconds: int) -> str:
    """Return an interval in ISO 8601, each part with its own sign."""
    years, months = _parts(months, 12)
    seconds, fraction = _parts(nanoseconds, PER_SECOND["ns"])
    minutes, second = _parts(seconds, 60)
    hours, minute = _parts(minutes, 60)
    dated = "".join(f"{value}{unit}" for value, unit in ((years, "Y"), (months, "M"), (days, "D")) if value)
    timed = "".join(f"{value}{unit}" for value, unit in ((hours, "H"), (minute, "M")) if value)
    if second or fraction:
        sign = "-" if second < 0 or fraction < 0 else ""
        decimals = f".{abs(fraction):09d}".rstrip("0") if fraction else ""
        timed += f"{sign}{abs(second)}{decimals}S"
    return f"P{dated}T{timed}" if timed else f"P{dated}" if dated else "PT0S"


def parse_day(text: str) -> int:
    """Return the days from 1970-01-01 to a date.

    Raises
    ------
    ValueError
        If the text is not a date.
    """
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a date")
    year = int(found[2]) * (-1 if found[1] == "-" else 1)
    cycles, rest = divmod(year - 1, _CYCLE_YEARS)
    ordinal = date(rest + 1, int(found[3]), int(found[4])).toordinal()
    return ordinal + cycles * _CYCLE_DAYS - _EPOCH - 1


def parse_clock(text: str, unit: str) -> int:
    """Return a time of day as a count of a unit.

    Raises
    ------
    ValueError
        If the text is not a time.
    """
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time of day")
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)
    picoseconds = int((found[4] or "").ljust(12, "0"))
    return seconds * PER_SECOND[unit] + picoseconds * PER_SECOND[unit] // 10**12


def _parts(value: int, size: int) -> tuple[int, int]:
    """Return quotient and remainder of a division. Both have the sign of the value."""
    whole, rest = divmod(abs(value), size)
    return (-whole, -rest) if value < 0 else (whole, rest)
