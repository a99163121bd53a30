"""Taking in one poll exactly once: heal, ask whether its batch is in, poll, commit. Not here: how it is shown.

The order makes a retry safe after a crash at any instant: what an earlier run left is healed first, and a
batch that is in is not polled again. A commit of an earlier try may land even later, when a catalog that did not
answer in time goes on: at any moment of this try, which then ends with what that one brought.
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
from foss_platform.lake.ownership.ownership import require_own


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
        What was committed; None where another try brought the batch.
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
    ForeignLakeError
        When the lake belongs to another catalog.
    LastingError
        When the batch is in and neither the log nor bronze's snapshots tell of its poll.
    """
    # before the feed is asked
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
        # it landed after the healing, and its own try may never come to log it
        healed += heal_poll_log(catalog, feed, summary).added
        log = find_accepted(catalog, batch_id)
    if log is None:
        raise LastingError(
            f"{batch_id} is in {feed.bronze}, and its poll is neither in {POLLS} nor noted in a live snapshot.",
            f"Restore {POLLS} from a backup; the records are in, and other batches come in as before.",
        )
    return TakenIn(log, rejection_reasons(catalog, feed, batch_id, log["polled_at"]), None, None, healed)
