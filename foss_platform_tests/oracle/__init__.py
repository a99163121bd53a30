"""Expected contents of silver and gold, computed in plain Python from the specification.

The SQL models are compared with the oracle, so it imports nothing from the project and uses no data library.
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
