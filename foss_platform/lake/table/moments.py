"""Moments as users write them: ISO 8601 with a zone, or an interval before now."""

import re
from datetime import UTC, datetime

from foss_platform.errors import ConfigurationError
from foss_platform.lake.connect.duckdb_session import open_duckdb


def parse_moment(text: str, now: datetime) -> datetime:
    """Parse a moment: ISO 8601 with a zone, `now`, or an interval such as `2 hours ago`.

    Raises
    ------
    ConfigurationError
        If the text is neither.
    """
    if text.strip() == "now":
        return now.astimezone(UTC)
    if ago := re.fullmatch(r"\s*(.+?)\s+ago\s*", text):
        length = re.sub(r"(?<=\d),(?=\d{3})", "", ago[1])
        # `open_duckdb` sets the session to UTC. In another zone, subtracting a month would depend on local dates and
        # clock changes.
        with open_duckdb() as connection:
            found = connection.execute("select ?::timestamptz - try_cast(? as interval)", [now, length]).fetchone()
        moment = found[0] if found else None
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{text!r} is not a moment.", "Write it as 2026-11-20T08:00:00Z, with its zone, or as '2 hours ago'."
        )
    in_utc: datetime = moment.astimezone(UTC)
    return in_utc
