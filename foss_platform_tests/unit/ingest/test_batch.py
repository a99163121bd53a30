"""Batch ids: derived from the cause alone, sorted by time. A time without a zone is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.poll.batch import Cause, CauseKind, recorded, requested, scheduled
from foss_platform_tests import hypothesis_profile  # noqa: F401

TICK = datetime(2020, 10, 24, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_ids_name_pipeline_cause_and_time() -> None:
    assert scheduled("p", TICK) == Cause(CauseKind.SCHEDULE, "p/schedule/2020-10-24T12:00:00.000Z")
    assert requested("p", "run-1") == Cause(CauseKind.REQUEST, "p/request/run-1")
    assert recorded("p", TICK, "abc") == Cause(CauseKind.RECORDING, "p/recording/2020-10-24T12:00:00.000Z/abc")


def test_one_instant_gives_one_batch_in_every_zone() -> None:
    elsewhere = TICK.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert scheduled("p", elsewhere) == scheduled("p", TICK)
    assert recorded("p", elsewhere, "abc") == recorded("p", TICK, "abc")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no zone"):
        scheduled("p", TICK.replace(tzinfo=None))
    with pytest.raises(ConfigurationError, match="has no zone"):
        recorded("p", TICK.replace(tzinfo=None), "abc")


def test_different_pipeline_cause_content_or_time_gives_a_different_batch() -> None:
    causes = {
        scheduled("p", TICK),
        scheduled("q", TICK),
        scheduled("p", TICK + timedelta(milliseconds=1)),
        requested("p", "2020-10-24T12:00:00.000Z"),
        recorded("p", TICK, "abc"),
        recorded("p", TICK, "abd"),
    }
    assert len({cause.batch_id for cause in causes}) == 6


@given(MOMENTS, MOMENTS)
def test_ids_sort_as_their_times_do(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert scheduled("p", first).batch_id <= scheduled("p", second).batch_id
    assert recorded("p", first, "a").batch_id[:36] <= recorded("p", second, "a").batch_id[:36]
