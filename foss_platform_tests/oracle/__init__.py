"""What silver and gold must hold, worked out in plain Python from the specification.

The SQL models are compared with it, so nothing of the project is imported here and no data library is used.
"""

from foss_platform_tests.oracle.gold import HourlyRow, LatestRow, TypicalWeekRow, hourly, latest, typical_week
from foss_platform_tests.oracle.health import FeedHealthRow, feed_health
from foss_platform_tests.oracle.recording import load_recording
from foss_platform_tests.oracle.silver import Key, Poll, Reading, readings

__all__ = [
    "FeedHealthRow",
    "HourlyRow",
    "Key",
    "LatestRow",
    "Poll",
    "Reading",
    "TypicalWeekRow",
    "feed_health",
    "hourly",
    "latest",
    "load_recording",
    "readings",
    "typical_week",
]
