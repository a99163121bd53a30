"""Durations as users write them. Not here: moments (`lake.query.parse_moment`)."""

import re
from datetime import timedelta

from foss_platform.errors import ConfigurationError


def parse_duration(text: str) -> timedelta:
    """A duration such as `6h`, `30m`, `2 days` or `0`.

    Raises
    ------
    ConfigurationError
        When it is none, has no unit, or is negative.
    """
    import duckdb

    found = None
    # DuckDB takes a bare number for seconds, of which nobody can be sure
    if text.strip() == "0" or re.fullmatch(r"(\s*\d+(\.\d+)?\s*[a-z]+)+\s*", text, re.IGNORECASE):
        try:
            row = duckdb.execute("select try_cast(? as interval)", [text]).fetchone()
            found = row[0] if row else None
        except (duckdb.Error, OverflowError):
            # more days than Python, or DuckDB, can count
            found = None
    if not isinstance(found, timedelta):
        raise ConfigurationError(f"{text!r} is no duration.", "Write it as 6h, 30m, '2 days' or 0.")
    return found
