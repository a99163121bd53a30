"""Faults on all four kinds of lake: kills during a commit, and concurrent writers during maintenance.

The faults come from `foss_platform_tests.faults`. Here they run on Postgres, a REST catalog and an object store.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from foss_platform.ingest.bronze.commit_polls import ensure_feed_tables
from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.http.clock import system_clock
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import scheduled
from foss_platform.ingest.poll.poll import FeedPoller
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import load_settings
from foss_platform_tests.faults.injection.contention import maintain, write
from foss_platform_tests.faults.injection.kill_points import (
    ANSWERED,
    COMMITTING,
    NOT_YET_ASKED,
    NOT_YET_TOLD,
    SET_UP,
    SWITCHED,
    TOGETHER,
    TOLD,
)
from foss_platform_tests.faults.injection.many_feeds import (
    commit_during_maintenance,
    is_complete,
    many_feeds,
    name_lake,
)
from foss_platform_tests.faults.injection.polling import (
    BRONZE,
    POLLS,
    REJECTED,
    Ticking,
    agree,
    take_in_tick,
    ticking,
    without_durations,
)
from foss_platform_tests.faults.injection.trial import attempt, server
from foss_platform_tests.pipeline.ingest.loopback import new_session
from foss_platform_tests.pipeline.ingest.writers import START
from foss_platform_tests.services.lakes import Kind, Lake, set_environment
from foss_platform_tests.tables import Row, read

_WRITERS, _BATCHES = 4, 10
_SECONDS = 240


def kill_points(kind: Kind) -> list[str]:
    """Return the decisive points: while tables are staged, and around and within the commits."""
    if kind is Kind.REST_MINIO:
        return [
            f"{SET_UP}: {NOT_YET_ASKED}",
            f"{REJECTED}: {NOT_YET_ASKED}",
            f"{REJECTED}: {SWITCHED}",
            f"{BRONZE}: data file written",
            f"{BRONZE}: {NOT_YET_ASKED}",
            f"{BRONZE}: {ANSWERED}",
            f"{BRONZE}: {SWITCHED}",
            f"{POLLS}: {SWITCHED}",
        ]
    return [
        f"{SET_UP}: {NOT_YET_TOLD}",
        f"{BRONZE}: data file written",
        f"{REJECTED}: staged",
        f"{POLLS}: staged",
        f"{TOGETHER}: {NOT_YET_TOLD}",
        f"{TOGETHER}: {TOLD}",
        f"{TOGETHER}: {COMMITTING}",
        f"{TOGETHER}: {SWITCHED}",
    ]


def test_killed_in_the_commit_path_and_retried(
    lake: Lake, feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = kill_points(lake.kind)
    with ticking(feed, ["mixed"] * len(points)) as served:
        for tick, point in enumerate(points):
            served.tick(tick)
            assert attempt(take_in_tick, lake.settings.home, served.feed, tick, point).killed, point
            if tick and lake.kind is not Kind.REST_MINIO:
                agree(lake.settings.home)
            assert not attempt(take_in_tick, lake.settings.home, served.feed, tick).killed
        killed = without_durations(lake.settings.home)
        assert killed == without_kills(served, range(len(points)), tmp_path / "plain", monkeypatch)
    assert [len(killed[table]) for table in (BRONZE, REJECTED, POLLS)] == [
        2 * len(points),
        2 * len(points),
        len(points),
    ]


def without_kills(
    served: Ticking, ticks: Sequence[int], home: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[Row]]:
    """Poll the same ticks on an embedded lake."""
    with monkeypatch.context() as plain, new_session() as session:
        set_environment(plain, {"FOSS_HOME": str(home)})
        catalog, poller = open_catalog(load_settings()), FeedPoller(served.feed, session, system_clock, trust_date=True)
        for tick in ticks:
            served.tick(tick)
            cause = scheduled(served.feed.name, START + timedelta(minutes=tick))
            ingest_poll(catalog, served.feed, cause, poller.poll, {})
        return without_durations(home)


def test_concurrent_writers_during_compaction_and_expiry(
    lake: Lake, feed: Feed, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    full = request.config.getoption("--faults") == "full"
    number_of_writers, batches, seconds = (8, 50, 1500) if full else (_WRITERS, _BATCHES, _SECONDS)
    ensure_feed_tables(open_catalog(lake.settings), feed)
    start, stop, home = tmp_path / "start", tmp_path / "stop", lake.settings.home
    with ProcessPoolExecutor(
        number_of_writers + 1, mp_context=server(), initializer=name_lake, initargs=(lake.environment,)
    ) as pool:
        maintenance = pool.submit(maintain, home, feed, stop)
        writers = [
            pool.submit(write, home, feed, number, [*range(number * batches, (number + 1) * batches)], start)
            for number in range(number_of_writers)
        ]
        try:
            start.touch()
            written = [writer.result(timeout=seconds) for writer in writers]
        finally:
            stop.touch()
        maintained = maintenance.result(timeout=seconds)
    assert [writer.new for writer in written] == [batches] * number_of_writers
    rows = read(lake.settings, BRONZE)
    assert (
        len(rows) == len({(row["_batch_id"], row["_record_index"]) for row in rows}) == 2 * number_of_writers * batches
    )
    attempts = sorted({(row["_batch_id"], row["_polled_at"]) for row in rows})
    assert attempts == sorted((row["batch_id"], row["polled_at"]) for row in read(lake.settings, POLLS))
    assert maintained.compacted > 0
    assert maintained.expired > 0


@pytest.mark.parametrize("kind", [Kind.POSTGRES_FOLDER, Kind.POSTGRES_MINIO], indirect=True)
def test_many_feeds_in_one_transaction_and_maintenance(
    lake: Lake, tmp_path: Path, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    full = request.config.getoption("--faults") == "full" and lake.kind is Kind.POSTGRES_FOLDER
    feeds, rounds = many_feeds(200 if full else 8), 5 if full else 3
    began = time.monotonic()
    dropped, maintained = commit_during_maintenance(
        open_catalog(lake.settings), lake.settings, feeds, rounds, tmp_path / "stop", lake.environment
    )
    record_property("taken", f"{time.monotonic() - began:.0f} s, {maintained}, {dropped} dropped out")
    is_complete(lake.settings, feeds, rounds)
    assert maintained.compacted + maintained.expired > 0
