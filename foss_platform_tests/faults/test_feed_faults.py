"""A feed misbehaves over real HTTP: bronze, quarantine and log contain exactly what it served."""

import random
import resource
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.http.fetch import fetch
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll import poll as poll_module
from foss_platform.ingest.poll.batch import scheduled
from foss_platform.ingest.poll.poll import FeedPoller
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.misbehaviour import FAULTS, MAX_BYTES, PATIENCE, TIMEOUT, TRIES, Fault
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS, REJECTED
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.ingest.loopback import misbehaving, new_session, source_of
from foss_platform_tests.pipeline.ingest.writers import START
from foss_platform_tests.tables import read

#: Limit for the peak memory of a polling process. The libraries use some 200 MB of it.
PEAK_MEGABYTES = 400


def poll_many(home: Path, feed: Feed, timeouts: Sequence[float]) -> tuple[int, int]:
    """Poll once for each time-out. Return the peak memory in kilobytes after the first poll and after all polls."""
    catalog = open_catalog(Settings(home=home))
    first = 0
    # the pause between two attempts belongs to the retry, which has its own tests
    with new_session() as session, patch.object(poll_module, "fetch", partial(fetch, sleep=lambda _: None)):
        for tick, timeout in enumerate(timeouts):
            source = feed.source.model_copy(update={"timeout_seconds": timeout})
            here = feed.model_copy(update={"source": source})
            poller = FeedPoller(here, session, partial(moment, tick))
            cause = scheduled(feed.name, moment(tick))
            ingest_poll(catalog, feed, cause, poller.poll, {})
            first = first or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return first, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def moment(tick: int) -> datetime:
    return START + timedelta(minutes=tick)


def polled(settings: Settings, feed: Feed, faults: Sequence[Fault]) -> tuple[int, int]:
    """Serve all faults, one poll each, and compare the tables with the expected results."""
    with misbehaving(*(request for fault in faults for request in fault.requests)) as server:
        source = source_of(server.url, timeout=TIMEOUT, tries=TRIES, max_bytes=MAX_BYTES)
        here = feed.model_copy(update={"source": source})
        timeouts = [TIMEOUT if fault.slow else PATIENCE for fault in faults]
        memory: tuple[int, int] = attempt(poll_many, settings.home, here, timeouts).result
        assert len(server.paths) == sum(len(fault.requests) for fault in faults)
    compare(settings, faults)
    return memory


def compare(settings: Settings, faults: Sequence[Fault]) -> None:
    log = sorted(read(settings, POLLS), key=lambda row: str(row["batch_id"]))
    assert [row["polled_at"].astimezone(UTC) for row in log] == [moment(tick) for tick in range(len(faults))]
    for fault, row in zip(faults, log, strict=True):
        assert row["status"] == ("failed" if fault.error else "accepted"), row
        assert (row["error_class"], row["http_status"], row["http_tries"]) == (
            fault.error,
            fault.http_status,
            fault.tries,
        ), row
        assert fault.says in (row["error"] or ""), row
        assert (row["records_accepted"], row["records_rejected"]) == (len(fault.accepted), len(fault.rejected)), row
        assert row["body"] == fault.body, row
    assert places(settings, BRONZE) == [(moment(t), n) for t, fault in enumerate(faults) for n in fault.accepted]
    assert places(settings, REJECTED) == [(moment(t), n) for t, fault in enumerate(faults) for n in fault.rejected]


def places(settings: Settings, table: str) -> list[tuple[datetime, int]]:
    return sorted((row["_polled_at"].astimezone(UTC), row["_record_index"]) for row in read(settings, table))


def test_each_fault_followed_by_a_good_poll(settings: Settings, feed: Feed, measured: Measured) -> None:
    faults = [fault for fault in FAULTS.values() for fault in (fault, FAULTS["good"])]
    polled(settings, feed, faults)
    measured("faults", len(FAULTS))


@pytest.mark.parametrize("seed", [6])
def test_faults_mixed_at_random(settings: Settings, feed: Feed, measured: Measured, seed: int, *, full: bool) -> None:
    dice = random.Random(seed)
    names = [dice.choice(list(FAULTS)) for _ in range(500 if full else 40)]
    first, peak = polled(settings, feed, [FAULTS[name] for name in names])
    assert peak < PEAK_MEGABYTES * 1024
    measured("polls", len(names))
    measured("bodies of 1 GB", names.count("1 GB"))
    measured("peak memory", f"{peak / 1024:.0f} MB; {first / 1024:.0f} MB after the first poll")
