"""Parses durations as users write them. See `lake.table.moments.parse_moment` for moments."""

import re
from datetime import timedelta

from foss_platform.errors import ConfigurationError

_NUMBER = r"(\d+(?:\.\d+)?)"
_ISO = re.compile(rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")
# this platform prints thousands separators, so accept them in durations
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `6h`, `30m`, `2 days`, `1,024 days`, `P1DT2H` (ISO 8601, without months) or `0`.

    Raises
    ------
    ConfigurationError
        If the text is not a duration, has no unit, or is negative.
    """
    import duckdb

    from foss_platform.lake.connect.duckdb_session import open_duckdb

    if (iso := _ISO.fullmatch(text.strip().upper())) and any(iso.groups()):
        weeks, days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        try:
            return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        except OverflowError:
            raise _refused(text) from None
    written = _THOUSANDS.sub("", text)
    found = None
    # DuckDB reads a number without a unit as seconds, which the user may not have meant, so require a unit
    if written.strip() == "0" or re.fullmatch(r"(\s*\d+(\.\d+)?\s*[a-z]+)+\s*", written, re.IGNORECASE):
        try:
            with open_duckdb() as connection:
                row = connection.execute("select try_cast(? as interval)", [written]).fetchone()
            found = row[0] if row else None
        except (duckdb.Error, OverflowError):
            # the text has more days than Python or DuckDB can count
            found = None
    if not isinstance(found, timedelta):
        raise _refused(text)
    return found


def _refused(text: str) -> ConfigurationError:
    return ConfigurationError(f"{text!r} is not a duration.", "Write it as 6h, 30m, '2 days', P1DT2H or 0.")
