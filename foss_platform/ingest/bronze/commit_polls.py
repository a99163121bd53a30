"""Commits polls: bronze, quarantine and the poll log of all polled feeds in one transaction.

A REST catalog commits one table after the other. See `ingest.bronze.one_by_one` for the order and the recovery.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.ingest.bronze.evolution import evolve_schema
from foss_platform.ingest.bronze.poll_changes import PollChanges, Written, log_rows
from foss_platform.ingest.bronze.schemas import POLLS, bronze_spec, polls_spec, rejected_spec
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.build.commit_and_compact import Change, TableChange, commit_changes
from foss_platform.lake.commit.change import COMMIT_TRIES
from foss_platform.lake.commit.commit_with_retry import LostTableError, sync_properties
from foss_platform.lake.connect.staged import commits_together
from foss_platform.lake.table.tables import ensure_table

# Number of conflicts over a feed's tables after which a commit of several feeds goes on without this feed.
_TRIES_AMONG_OTHERS = 8


@dataclass(frozen=True)
class FeedPolls:
    """Polls of one feed.

    Attributes
    ----------
    searched
        The metadata location of a state of bronze that contains none of the batches, so it is not searched again.
    """

    feed: Feed
    polls: Sequence[Poll]
    searched: str | None = None


def ensure_feed_tables(catalog: Catalog, feed: Feed) -> None:
    """Create the feed's missing tables: bronze, quarantine and the poll log.

    Raises
    ------
    ConfigurationError
        If the contract has changed in a way that bronze cannot follow. Nothing is written then.
    """
    for spec in (rejected_spec(feed), polls_spec()):
        sync_properties(catalog, spec.name, ensure_table(catalog, spec), spec.all_properties())
    bronze = evolve_schema(catalog, feed)
    sync_properties(catalog, feed.bronze, bronze, bronze_spec(feed).all_properties())


def commit_polls(
    catalog: Catalog, feed: Feed, polls: Sequence[Poll], summary: Mapping[str, str], searched: str | None = None
) -> Written:
    """Commit accepted and failed polls of one feed. Batches that are already committed change nothing.

    Parameters
    ----------
    searched
        See `FeedPolls`.

    Raises
    ------
    TransientError
        If the store or catalog failed, or other commits were first in every try.
    """
    result = commit_feeds(catalog, [FeedPolls(feed, polls, searched)], summary)[feed.name]
    if isinstance(result, LostTableError):
        raise result
    return result


def commit_feeds(
    catalog: Catalog, polled: Sequence[FeedPolls], summary: Mapping[str, str]
) -> dict[str, Written | LostTableError]:
    """Commit the polls of several feeds together.

    Returns
    -------
    The result by the feed's name. For a feed whose tables were changed by others in every try, the error: the other
    feeds are committed without it.

    Raises
    ------
    TransientError
        If the store or catalog failed, or other commits to the poll log were first in every try.
    """
    changes = {each.feed.name: PollChanges(each.feed, each.polls, summary, each.searched) for each in polled}
    if not commits_together(catalog):
        from foss_platform.ingest.bronze import one_by_one

        return {name: one_by_one.commit_polls(catalog, change) for name, change in changes.items()}
    results: dict[str, Written | LostTableError] = {}
    while changes:
        try:
            commit_changes(catalog, _tables(list(changes.values()), summary))
        except LostTableError as error:
            lost = [name for name, each in changes.items() if {each.feed.bronze, each.feed.rejected} & error.names]
            if not lost:
                raise
            results |= dict.fromkeys(lost, error)
            for name in lost:
                del changes[name]
        else:
            return results | {name: change.written() for name, change in changes.items()}
    return results


def _tables(changes: Sequence[PollChanges], summary: Mapping[str, str]) -> list[TableChange]:
    tries = COMMIT_TRIES if len(changes) == 1 else _TRIES_AMONG_OTHERS

    def log(table: Table) -> Change | None:
        rows = [poll.log for change in changes for poll in change.attempts]
        new = frozenset().union(*(change.new_batches for change in changes))
        return log_rows(table, rows, summary, new_batches=new)

    return [
        *(TableChange(change.feed.bronze, change.bronze, tries=tries) for change in changes),
        *(
            TableChange(change.feed.rejected, change.rejected, change.outcome, tries)
            for change in changes
            if any(poll.rejected for poll in change.polls)
        ),
        TableChange(POLLS, log, lambda: tuple(change.outcome() for change in changes)),
    ]


def commit_tables(catalog: Catalog, changes: Sequence[TableChange]) -> None:
    """Commit changes of several tables together, or in their order if the catalog commits one table after the other."""
    if commits_together(catalog):
        commit_changes(catalog, changes)
        return
    from foss_platform.ingest.bronze import one_by_one

    one_by_one.commit_each(catalog, changes)


def complete_poll_log(catalog: Catalog, feed: Feed, summary: Mapping[str, str]) -> int:
    """Add the polls that a crash between two commits left out of the log, and return their number. There are none
    unless the catalog commits one table after the other.
    """
    if commits_together(catalog):
        return 0
    from foss_platform.ingest.bronze import one_by_one

    return one_by_one.repair_poll_log(catalog, feed, summary).added
