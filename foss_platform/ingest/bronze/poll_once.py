"""Commits polls exactly once: checks whether the batch is committed, polls, commits.

This order makes a retry safe after a crash at any time, because a batch that is already committed is not polled again.
A commit of an earlier try that timed out may still succeed, at any time during this try. This try then returns the
result of the earlier try.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog

from foss_platform.errors import FossError, PermanentError
from foss_platform.ingest.bronze.commit_polls import FeedPolls, commit_feeds, complete_poll_log, ensure_feed_tables
from foss_platform.ingest.bronze.poll_changes import Written
from foss_platform.ingest.bronze.poll_log import find_accepted, rejection_reasons
from foss_platform.ingest.bronze.present_batches import batches_in
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.table.tables import load_table

_POLLED_AT_ONCE = 8


@dataclass(frozen=True)
class IngestedPoll:
    """The result of polling for one cause.

    Attributes
    ----------
    log
        The attempt's row of `ops.polls`, by column. If an earlier try has committed the batch, its row.
    reasons
        The rejection reason of each rejected record.
    written
        The commit's result. None if another try committed the batch.
    error
        Why the poll failed, as in the log. None if it was accepted.
    healed
        Number of polls that an earlier run left out of the log. Always 0 unless the catalog commits one table after
        the other.
    """

    log: Mapping[str, Any]
    reasons: list[str]
    written: Written | None
    error: FossError | None
    healed: int


def ingest_poll(
    catalog: Catalog, feed: Feed, cause: Cause, poll: Callable[[Cause], Poll], summary: Mapping[str, str]
) -> IngestedPoll:
    """Poll one feed for a cause and commit the result, unless the batch is already committed.

    Parameters
    ----------
    poll
        Polls the feed once. Called only if the batch is not committed yet.
    summary
        Entries for the summaries of the snapshots, such as the writer and its reason.

    Raises
    ------
    TransientError
        If the store or catalog failed. Call this function again.
    ForeignLakeError
        If the lake belongs to another catalog.
    PermanentError
        If the batch is committed, but its row in the log is gone.
    """
    result = ingest_polls(catalog, [(feed, cause)], lambda _, cause: poll(cause), summary)[feed.name]
    if isinstance(result, FossError):
        raise result
    return result


def ingest_polls(
    catalog: Catalog,
    asked: Sequence[tuple[Feed, Cause]],
    poll: Callable[[Feed, Cause], Poll],
    summary: Mapping[str, str],
) -> dict[str, IngestedPoll | FossError]:
    """As `ingest_poll`, for several feeds whose polls are committed together.

    Parameters
    ----------
    poll
        Polls a feed once. Called from several threads at once.

    Returns
    -------
    The result by the feed's name, or the error of a feed that dropped out. The others are committed without it.

    Raises
    ------
    TransientError, ForeignLakeError
        If nothing could be committed, as for `ingest_poll`.
    """
    # refuse before a feed is polled
    require_own(catalog)
    results: dict[str, IngestedPoll | FossError] = {}
    to_poll: list[tuple[Feed, Cause, str]] = []
    for feed, cause in asked:
        try:
            ensure_feed_tables(catalog, feed)
            bronze = load_table(catalog, feed.bronze)
            if batches_in(bronze, [cause.batch_id]):
                results[feed.name] = _taken_in_by_another(catalog, feed, cause.batch_id, summary, 0)
            else:
                to_poll.append((feed, cause, bronze.metadata_location))
        except FossError as error:
            results[feed.name] = error
    polls = _poll_all(to_poll, poll)
    committed = commit_feeds(
        catalog,
        [FeedPolls(feed, [polled], place) for (feed, _, place), polled in zip(to_poll, polls, strict=True)],
        summary,
    )
    for (feed, cause, _), polled in zip(to_poll, polls, strict=True):
        written = committed[feed.name]
        if isinstance(written, FossError):
            results[feed.name] = written
        elif cause.batch_id in written.known_batches:
            try:
                results[feed.name] = _taken_in_by_another(catalog, feed, cause.batch_id, summary, written.healed)
            except FossError as error:
                results[feed.name] = error
        else:
            reasons = [verdict.reason for _, verdict in polled.rejected]
            results[feed.name] = IngestedPoll(polled.log, reasons, written, polled.error, written.healed)
    return results


def _poll_all(to_poll: Sequence[tuple[Feed, Cause, str]], poll: Callable[[Feed, Cause], Poll]) -> list[Poll]:
    if len(to_poll) < 2:
        return [poll(feed, cause) for feed, cause, _ in to_poll]
    with ThreadPoolExecutor(_POLLED_AT_ONCE) as threads:
        return list(threads.map(lambda one: poll(one[0], one[1]), to_poll))


def _taken_in_by_another(
    catalog: Catalog, feed: Feed, batch_id: str, summary: Mapping[str, str], healed: int
) -> IngestedPoll:
    log = find_accepted(catalog, batch_id)
    if log is None:
        healed += complete_poll_log(catalog, feed, summary)
        log = find_accepted(catalog, batch_id)
    if log is None:
        raise PermanentError(
            f"The batch {batch_id} is in {feed.bronze}, but its row is not in {POLLS}.",
            f"Restore {POLLS} from a backup. The records are not lost, and other batches are not affected.",
        )
    return IngestedPoll(log, rejection_reasons(catalog, feed, batch_id, log["polled_at"]), None, None, healed)
