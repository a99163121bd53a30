"""Processes write to one lake while maintenance compacts and expires: all rows are committed exactly once."""

import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from foss_platform.ingest.bronze.commit_polls import ensure_feed_tables
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.contention import Maintained, Written, maintain, write
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS
from foss_platform_tests.faults.injection.trial import server
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
