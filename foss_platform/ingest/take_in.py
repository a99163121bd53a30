"""Taking in one poll exactly once: heal, ask whether its batch is in, poll, commit. Not here: how it is shown.

The order makes a retry safe after a crash at any instant: what an earlier run left is healed first, and a
batch that is in is not polled again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog

from foss_platform.errors import FossError, PassingError
from foss_platform.ingest.batch import Cause
from foss_platform.ingest.bronze import Written, commit_polls, ensure_feed_tables, is_in_bronze
from foss_platform.ingest.feed import Feed
from foss_platform.ingest.poll import Poll
from foss_platform.ingest.poll_log import find_accepted, heal_poll_log, rejection_reasons
from foss_platform.ingest.schemas import POLLS


@dataclass(frozen=True)
class TakenIn:
    """What became of one cause to poll.

    Attributes
    ----------
    log
        The attempt's row of `ops.polls`, by column; that of the earlier try where the batch was in already.
    reasons
        Why records were rejected, one reason a record.
    written
        What was committed; None where the batch was in already and nothing was polled.
    error
        Why the poll failed; it is in the log all the same.
    healed
        Rows that an earlier run, ended between its commits, still owed the log.
    """

    log: Mapping[str, Any]
    reasons: list[str]
    written: Written | None
    error: FossError | None
    healed: int


def take_in_poll(
    catalog: Catalog, feed: Feed, cause: Cause, poll: Callable[[Cause], Poll], summary: Mapping[str, str]
) -> TakenIn:
    """Poll for a cause and commit what came, unless its batch is in already.

    Parameters
    ----------
    poll
        Polls the feed once; called only when the batch is not in.
    summary
        For the snapshots: who writes, and why.

    Raises
    ------
    PassingError
        When the store or catalog failed; the same call again brings what is missing.
    """
    ensure_feed_tables(catalog, feed)
    healed = heal_poll_log(catalog, feed, summary)
    if is_in_bronze(catalog, feed, cause.batch_id):
        log = find_accepted(catalog, cause.batch_id)
        if log is None:
            raise PassingError(
                f"{cause.batch_id} is in {feed.bronze} and not yet in {POLLS}: another run is writing it."
            )
        return TakenIn(
            log, rejection_reasons(catalog, feed, cause.batch_id, log["polled_at"]), None, None, healed.added
        )
    polled = poll(cause)
    written = commit_polls(catalog, feed, [polled], summary, healed.logged_until)
    return TakenIn(polled.log, [verdict.reason for _, verdict in polled.rejected], written, polled.error, healed.added)
