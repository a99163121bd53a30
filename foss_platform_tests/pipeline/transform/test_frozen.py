"""The check `feed_not_frozen` and gold's minutes_frozen judge the same polls alike."""

from collections import defaultdict
from datetime import date
from itertools import pairwise

import pytest

from foss_platform.ingest.bronze.poll_log import standing_since
from foss_platform.ingest.recording.recording import read_recording
from foss_platform_tests.oracle.clock import local_day
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, Pipeline, pipeline
from foss_platform_tests.tables import read

__all__ = ["pipeline"]

# accepted polls further apart than this leave an interval without a poll, which is not frozen
GAP_MINUTES = 10


def test_check_and_gold_agree_on_a_frozen_feed(pipeline: Pipeline) -> None:
    pipeline.ingest(list(read_recording(EXCERPT)))
    pipeline.build()
    accepted = sorted(
        (poll["polled_at"], poll["newest_data_time"])
        for poll in read(pipeline.settings, "ops.polls")
        if poll["status"] == "accepted"
    )
    frozen: dict[date, float] = defaultdict(float)
    for (before, _), (polled_at, newest) in pairwise(accepted):
        minutes = (polled_at - before).total_seconds() / 60
        since = standing_since(pipeline.catalog, pipeline.feed.name, polled_at, newest)
        if minutes <= GAP_MINUTES and pipeline.feed.limits.is_frozen((polled_at - since).total_seconds() / 60):
            frozen[local_day(polled_at)] += minutes
    by_gold = {row["local_day"]: row["minutes_frozen"] for row in read(pipeline.settings, "gold.parking_feed_health")}
    assert sum(frozen.values()) > 60
    assert by_gold == pytest.approx({day: frozen.get(day, 0.0) for day in by_gold})
