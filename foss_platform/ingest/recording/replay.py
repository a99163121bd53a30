"""Loads recorded polls in large commits, as if they had been polled at their recorded times."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from pyiceberg.catalog import Catalog

from foss_platform.ingest.bronze.commit_polls import commit_polls, complete_poll_log, ensure_feed_tables
from foss_platform.ingest.bronze.poll_changes import Written
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import judge_recorded
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.ingest.records.contract import contract_judge

#: Polls per commit: 36,000 rows of the parking feed, about 40 MB in memory.
POLLS_PER_COMMIT = 4_000


@dataclass
class ReplayTotals:
    """The totals of a replay so far."""

    polls: int = 0
    rows: int = 0
    new_polls: int = 0
    known_polls: int = 0
    failed_polls: int = 0
    rejected_records: int = 0

    def add(self, polls: int, failed: int, written: Written) -> None:
        """Add the result of one commit."""
        self.polls += polls
        self.failed_polls += failed
        self.rows += written.rows
        self.new_polls += len(written.new_batches)
        self.known_polls += len(written.known_batches)
        self.rejected_records += written.rejected


def replay(
    catalog: Catalog,
    feed: Feed,
    polls: Iterable[RecordedPoll],
    source: str,
    summary: Mapping[str, str],
    progress: Callable[[int], None] = lambda _: None,
) -> ReplayTotals:
    """Load recorded polls. Polls that are already committed change nothing.

    Parameters
    ----------
    progress
        Called with the number of polls of each commit.
    """
    ensure_feed_tables(catalog, feed)
    # complete the log first, because commits of the replay may expire snapshots whose summaries contain missing rows
    complete_poll_log(catalog, feed, summary)
    judge = contract_judge(feed)
    totals = ReplayTotals()
    for chunk in _chunks(polls):
        with _collector_paused():
            judged = [judge_recorded(feed, judge, source, p.polled_at, p.body, p.http_status) for p in chunk]
            written = commit_polls(catalog, feed, judged, summary)
        totals.add(len(chunk), sum(poll.error is not None for poll in judged), written)
        progress(len(chunk))
    return totals


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's cyclic garbage collector, which took a quarter of the time. Parsed polls have no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _chunks(polls: Iterable[RecordedPoll]) -> Iterator[list[RecordedPoll]]:
    iterator = iter(polls)
    while chunk := list(islice(iterator, POLLS_PER_COMMIT)):
        yield chunk
