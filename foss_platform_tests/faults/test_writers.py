"""Processes write to one lake while maintenance compacts and expires: all rows are committed exactly once."""

import itertools
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Snapshot

from foss_platform.ingest.bronze.commit_polls import FeedPolls, commit_feeds, commit_polls, ensure_feed_tables
from foss_platform.ingest.bronze.poll_changes import Written as Committed
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.commit.commit_with_retry import LostTableError, alter
from foss_platform.lake.connect import sql_catalog, switch
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.contention import Maintained, Written, maintain, write
from foss_platform_tests.faults.injection.many_feeds import commit_during_maintenance, is_complete, many_feeds
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS
from foss_platform_tests.faults.injection.trial import server
from foss_platform_tests.pipeline.ingest.feeds import poll_of
from foss_platform_tests.tables import read

_TIME_OUT = 1500


def run(settings: Settings, feed: Feed, folder: Path, ticks: list[list[int]]) -> tuple[list[Written], Maintained]:
    """Run a writer process per list of ticks at the same time, and maintenance until all writers have ended."""
    ensure_feed_tables(open_catalog(settings), feed)
    start, stop = folder / "start", folder / "stop"
    with ProcessPoolExecutor(len(ticks) + 1, mp_context=server()) as pool:
        maintenance = pool.submit(maintain, settings.home, feed, stop)
        writers = [pool.submit(write, settings.home, feed, n, mine, start) for n, mine in enumerate(ticks)]
        try:
            start.touch()
            written = [writer.result(timeout=_TIME_OUT) for writer in writers]
        finally:
            stop.touch()
        return written, maintenance.result(timeout=_TIME_OUT)


@pytest.mark.parametrize("same", [False, True], ids=["batches-of-their-own", "the-same-batches"])
def test_many_writers_and_maintenance(
    settings: Settings, feed: Feed, tmp_path: Path, measured: Measured, *, same: bool, full: bool
) -> None:
    writers, each = (8, 50) if full else (3, 6)
    first = [0 if same else writer * each for writer in range(writers)]
    written, maintained = run(settings, feed, tmp_path, [list(range(tick, tick + each)) for tick in first])
    expected = each if same else writers * each
    assert sum(writer.new for writer in written) == expected
    assert [writer.new + writer.known for writer in written] == [each] * writers
    rows = read(settings, BRONZE)
    assert len(rows) == len({(row["_batch_id"], row["_record_index"]) for row in rows}) == 2 * expected
    # both rows of a batch come from the same attempt, and that attempt is in the log
    attempts = sorted({(row["_batch_id"], row["_polled_at"]) for row in rows})
    assert attempts == sorted((row["batch_id"], row["polled_at"]) for row in read(settings, POLLS))
    assert len(attempts) == expected
    assert maintained.compacted + maintained.expired > 0
    measured("maintenance", maintained)
    commits = [taken for writer in written for taken in writer.commits]
    seconds, tries = sorted(taken[0] for taken in commits), [taken[1] for taken in commits]
    measured(
        "commits",
        f"{len(commits)}; seconds each: median {statistics.median(seconds):.2f},"
        f" 95 % under {seconds[int(0.95 * (len(seconds) - 1))]:.2f}, longest {seconds[-1]:.2f};"
        f" tries: mean {statistics.mean(tries):.1f}, most {max(tries)}",
    )


def test_many_feeds_in_one_transaction_and_maintenance(
    settings: Settings, tmp_path: Path, measured: Measured, *, full: bool
) -> None:
    feeds, rounds = many_feeds(200 if full else 12), 5 if full else 3
    catalog = open_catalog(settings)
    began = time.monotonic()
    dropped, maintained = commit_during_maintenance(catalog, settings, feeds, rounds, tmp_path / "stop")
    measured("feeds", f"{len(feeds)} in {rounds} transactions, {time.monotonic() - began:.0f} s with their tables")
    measured("maintenance", f"{maintained}; {dropped} feeds dropped out")
    is_complete(settings, feeds, rounds)
    assert maintained.compacted + maintained.expired > 0
    # each transaction is one snapshot of the log, unless a feed dropped out. Others are from maintenance
    polled = [s for s in load_table(catalog, TableName("ops", "polls")).snapshots() if not is_maintenance(s)]
    assert len(polled) <= rounds + dropped


def is_maintenance(snapshot: Snapshot) -> bool:
    return snapshot.summary is not None and "foss.maintenance" in snapshot.summary.additional_properties


def test_a_feed_that_keeps_conflicting_drops_out_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = many_feeds(3)
    catalog, other = open_catalog(settings), open_catalog(settings)
    for feed in feeds:
        ensure_feed_tables(catalog, feed)
    polls = [FeedPolls(feed, [poll_of(feed, 0, {"id": "a"}, {"id": "b"}, {"id": 1})]) for feed in feeds]
    troubled = feeds[1]

    def touch(_: Table, transaction: Transaction) -> None:
        transaction.set_properties({"n": str(next(count))})

    def disturbing(*arguments: Any) -> None:
        if any(changed.identifier == troubled.bronze.identifier for changed in arguments[2]):
            with monkeypatch.context() as patch:
                patch.setattr(sql_catalog, "switch_tables", switch.switch_tables)
                alter(other, troubled.bronze, touch)
        switch.switch_tables(*arguments)

    count = itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(sql_catalog, "switch_tables", disturbing)
        results = commit_feeds(catalog, polls, {})
    assert isinstance(results[troubled.name], LostTableError)
    assert [type(results[feed.name]) for feed in (feeds[0], feeds[2])] == [Committed, Committed]
    assert {row["pipeline"] for row in read(settings, "ops.polls")} == {feeds[0].name, feeds[2].name}
    for name in (troubled.bronze, troubled.rejected):
        assert read(settings, str(name)) == []
    commit_polls(catalog, troubled, polls[1].polls, {})
    is_complete(settings, feeds, 1)
