"""The answers of docs/ANALYTICS.md in plain Python: what the SQL is held to."""

from collections.abc import Callable, Mapping
from typing import Any

from foss_platform_tests.analytics.by_hand import hours, readings

ANSWERS: Mapping[str, Callable[[Any], list[dict[str, Any]]]] = {
    "busiest_hour": hours.busiest_hour,
    "false_full": readings.false_full,
    "fill_together": hours.fill_together,
    "frozen_feed": readings.frozen_feed,
    "revenue_estimate": hours.revenue_estimate,
    "time_until_full": readings.time_until_full,
    "typical_friday": hours.typical_friday,
    "unusual_days": hours.unusual_days,
}

#: What they are worked out from.
TABLES = ("silver.parking_readings", "gold.parking_hourly", "gold.parking_typical_week", "gold.parking_feed_health")
