"""Many feeds whose polls are committed together, again and again, while another process maintains their tables."""

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pyiceberg.catalog import Catalog

from foss_platform.ingest.bronze.commit_polls import FeedPolls, commit_feeds, commit_polls, ensure_feed_tables
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.commit.commit_with_retry import LostTableError
from foss_platform.settings import Settings
from foss_platform_tests.faults.injection.contention import Maintained, maintain
from foss_platform_tests.faults.injection.trial import server
from foss_platform_tests.pipeline.ingest.feeds import meters, poll_of
from foss_platform_tests.tables import read

_SECONDS = 900


def name_lake(environment: Mapping[str, str]) -> None:
    """Name the lake in a process that has the environment of the fork server."""
    os.environ.update(environment)


def many_feeds(count: int) -> list[Feed]:
    """Return feeds that differ in their names."""
    return [meters().model_copy(update={"name": f"meters_{number:03}"}) for number in range(count)]


def commit_rounds(catalog: Catalog, feeds: list[Feed], rounds: int) -> int:
    """Commit a poll of each feed per round, all in one transaction. Feeds that drop out are committed alone.

    Returns
    -------
    How many dropped out.
    """
    dropped = 0
    for tick in range(rounds):
        # the last record breaks the contract, so each poll changes three tables
        polls = [FeedPolls(feed, [poll_of(feed, tick, {"id": "a"}, {"id": "b"}, {"id": 1})]) for feed in feeds]
        results = commit_feeds(catalog, polls, {})
        assert results.keys() == {feed.name for feed in feeds}
        for each in polls:
            result = results[each.feed.name]
            if isinstance(result, LostTableError):
                dropped += 1
                result = commit_polls(catalog, each.feed, each.polls, {})
            assert (result.rows, result.rejected, len(result.new_batches)) == (2, 1, 1)
    return dropped


def commit_during_maintenance(
    catalog: Catalog,
    settings: Settings,
    feeds: list[Feed],
    rounds: int,
    stop: Path,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, Maintained]:
    """Commit the rounds while a process compacts and expires the tables of the first feed and the poll log.

    Parameters
    ----------
    environment
        Variables that name the lake in the process of the maintenance.
    """
    for feed in feeds:
        ensure_feed_tables(catalog, feed)
    with ProcessPoolExecutor(
        1, mp_context=server(), initializer=name_lake, initargs=(dict(environment or {}),)
    ) as pool:
        maintenance = pool.submit(maintain, settings.home, feeds[0], stop)
        try:
            dropped = commit_rounds(catalog, feeds, rounds)
        finally:
            stop.touch()
        return dropped, maintenance.result(timeout=_SECONDS)


def is_complete(settings: Settings, feeds: list[Feed], rounds: int) -> None:
    """Assert that each poll of each feed is committed once, in all three tables."""
    batches = Counter(row["batch_id"] for row in read(settings, "ops.polls"))
    assert len(batches) == len(feeds) * rounds
    assert set(batches.values()) == {1}
    for feed in feeds:
        accepted = Counter(row["_batch_id"] for row in read(settings, str(feed.bronze)))
        rejected = Counter(row["_batch_id"] for row in read(settings, str(feed.rejected)))
        assert len(accepted) == len(rejected) == rounds
        assert (set(accepted.values()), set(rejected.values())) == ({2}, {1})
        assert accepted.keys() == rejected.keys() <= batches.keys()
