"""Commits one poll exactly once: repairs the log, checks whether the batch is committed, polls, commits.

This order makes a retry safe after a crash at any time. First the traces of an earlier run are repaired, and a
committed batch is not polled again. A commit of an earlier try may succeed later, if a catalog continues after a
time-out. This can be at any time during this try, which then returns the result of the earlier try.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog

from foss_platform.errors import FossError, LastingError
from foss_platform.ingest.bronze.commit_polls import Written, commit_polls, ensure_feed_tables, is_in_bronze
from foss_platform.ingest.bronze.poll_log import find_accepted, heal_poll_log, rejection_reasons
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.ownership.require_own import require_own


@dataclass(frozen=True)
class TakenIn:
    """The result of one cause to poll.

    Attributes
    ----------
    log
        The attempt's row of `ops.polls`, by column. If the batch was already committed, the row of the earlier try.
    reasons
        The rejection reason of each rejected record.
    written
        The commit's result. None if another try committed the batch.
    error
        Why the poll failed. The log contains it too.
    healed
        Rows that were missing in the log because an earlier run ended between its commits, and are added now.
    """

    log: Mapping[str, Any]
    reasons: list[str]
    written: Written | None
    error: FossError | None
    healed: int


def take_in_poll(
    catalog: Catalog, feed: Feed, cause: Cause, poll: Callable[[Cause], Poll], summary: Mapping[str, str]
) -> TakenIn:
    """Poll for a cause and commit the result, unless the batch is already committed.

    Parameters
    ----------
    poll
        Polls the feed once. Called only if the batch is not committed yet.
    summary
        Properties for the snapshots: who writes, and why.

    Raises
    ------
    PassingError
        If the store or catalog failed. The same call again commits what is missing.
    ForeignLakeError
        If the lake belongs to another catalog.
    LastingError
        If the batch is committed, but neither the log nor bronze's snapshots contain its poll.
    """
    # before the feed is polled
    require_own(catalog)
    ensure_feed_tables(catalog, feed)
    healed = heal_poll_log(catalog, feed, summary)
    if not is_in_bronze(catalog, feed, cause.batch_id):
        polled = poll(cause)
        written = commit_polls(catalog, feed, [polled], summary, healed.logged_until)
        if cause.batch_id not in written.known_batches:
            reasons = [verdict.reason for _, verdict in polled.rejected]
            return TakenIn(polled.log, reasons, written, polled.error, healed.added)
    return _taken_in_by_another(catalog, feed, cause.batch_id, summary, healed.added)


def _taken_in_by_another(
    catalog: Catalog, feed: Feed, batch_id: str, summary: Mapping[str, str], healed: int
) -> TakenIn:
    log = find_accepted(catalog, batch_id)
    if log is None:
        # it was committed after the repair, and its own try may never log it
        healed += heal_poll_log(catalog, feed, summary).added
        log = find_accepted(catalog, batch_id)
    if log is None:
        raise LastingError(
            f"{batch_id} is in {feed.bronze}, but its poll is neither in {POLLS} nor noted in a live snapshot.",
            f"Restore {POLLS} from a backup. The records are not lost, and other batches are not affected.",
        )
    return TakenIn(log, rejection_reasons(catalog, feed, batch_id, log["polled_at"]), None, None, healed)
