"""Committing polls: quarantine, then bronze, then the poll log. Not here: where the polls come from.

No commit spans three tables, so the order carries the promise:

1. quarantine first, so that no poll counts as taken in whose refused records are not kept;
2. bronze second: from here on the batch is in, and the same batch again changes nothing;
3. `ops.polls` last: the attempt as it ended.

A crash after 1 leaves refused records of a poll that is not in; the retry adds its own, told apart by
`_polled_at`. A crash after 2 leaves a batch without its row in the log: the row stands in the summary
of bronze's snapshot, from where the next run of the pipeline takes it (`poll_log.heal_poll_log`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.ingest.bronze.evolution import follow_contract
from foss_platform.ingest.bronze.membership import batches_in, distinct, present_batches, within
from foss_platform.ingest.bronze.poll_log import SUMMARY_LOG, log_polls, log_to_json
from foss_platform.ingest.bronze.schemas import bronze_schema, bronze_spec, polls_spec, rejected_spec
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import CauseKind
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.commit.changes import follow_properties
from foss_platform.lake.table.tables import ensure_table, find_table

# the log of one bulk commit would make the table's metadata grow by megabytes; a replay heals itself
# by being run again, so only small commits carry their log
_MAX_LOGGED_BATCHES = 4


@dataclass(frozen=True)
class Written:
    """What a commit of polls brought.

    Attributes
    ----------
    new_batches
        Batches that were not in before and are now.
    known_batches
        Batches that were in already and changed nothing.
    """

    rows: int
    rejected: int
    new_batches: frozenset[str]
    known_batches: frozenset[str]


def ensure_feed_tables(catalog: Catalog, feed: Feed) -> None:
    """Make the feed's tables where they do not exist: bronze, quarantine and the poll log.

    Raises
    ------
    ConfigurationError
        When the contract has changed in a way that bronze cannot follow; nothing is written then.
    """
    for spec in (rejected_spec(feed), polls_spec()):
        follow_properties(catalog, spec.name, ensure_table(catalog, spec), spec.all_properties())
    bronze = follow_contract(catalog, feed)
    follow_properties(catalog, feed.bronze, bronze, bronze_spec(feed).all_properties())


def commit_polls(
    catalog: Catalog,
    feed: Feed,
    polls: Sequence[Poll],
    summary: Mapping[str, str],
    logged_until: Mapping[str, str] | None = None,
) -> Written:
    """Commit polls, accepted and failed ones; what is in already changes nothing.

    Parameters
    ----------
    logged_until
        What healing found the log to be whole up to, noted with the log's rows.

    Raises
    ------
    PassingError
        When the store or catalog failed. What was committed before stays, and the same call again
        brings the rest.
    """
    polls = _first_of_each_batch(polls)
    summary = {**summary, "foss.pipeline": feed.name}
    rejected = _commit_rejected(catalog, feed, polls, summary)
    rows, new, known = _commit_bronze(catalog, feed, polls, summary)
    # a live batch that another try brought is logged by that try; a recorded one is the same poll
    logged = [p for p in polls if p.error or p.cause.batch_id in new or p.cause.kind is CauseKind.RECORDING]
    log_polls(catalog, [poll.log for poll in logged], summary, logged_until)
    return Written(rows, rejected, new, known)


def is_in_bronze(catalog: Catalog, feed: Feed, batch_id: str) -> bool:
    """Whether the batch is in, by the rows themselves."""
    table = find_table(catalog, feed.bronze)
    return table is not None and bool(batches_in(table, [batch_id]))


def _first_of_each_batch(polls: Sequence[Poll]) -> list[Poll]:
    """Every failed attempt, but of the accepted ones only the first: the batch is in with that."""
    first: dict[tuple[str, datetime | None], Poll] = {}
    for poll in polls:
        first.setdefault((poll.cause.batch_id, poll.polled_at if poll.error else None), poll)
    return list(first.values())


def _commit_rejected(catalog: Catalog, feed: Feed, polls: Sequence[Poll], summary: Mapping[str, str]) -> int:
    holders = [poll for poll in polls if poll.rejected]
    if not holders:
        return 0
    count = 0

    def plan(table: Table) -> Change | None:
        nonlocal count
        present = distinct(table, within("_polled_at", [poll.polled_at for poll in holders]), "_batch_id", "_polled_at")
        rows = [
            (poll.cause.batch_id, index, poll.polled_at, poll.source, verdict.reason, verdict.record)
            for poll in holders
            if (poll.cause.batch_id, poll.polled_at) not in present
            for index, verdict in poll.rejected
        ]
        count = len(rows)
        return Change(_to_arrow(table, zip(*rows, strict=True)), summary=summary) if rows else None

    commit(catalog, feed.rejected, plan)
    return count


def _commit_bronze(
    catalog: Catalog, feed: Feed, polls: Sequence[Poll], summary: Mapping[str, str]
) -> tuple[int, frozenset[str], frozenset[str]]:
    candidates = [poll for poll in polls if poll.error is None]
    if not candidates:
        return 0, frozenset(), frozenset()
    fresh: list[Poll] = []

    def plan(table: Table) -> Change | None:
        nonlocal fresh
        present = present_batches(table, candidates)
        fresh = [poll for poll in candidates if poll.cause.batch_id not in present]
        if not fresh:
            return None
        log = [poll.log for poll in fresh]
        noted = {SUMMARY_LOG: log_to_json(log)} if len(fresh) <= _MAX_LOGGED_BATCHES else {}
        counts = {"foss.batches": str(len(fresh)), "foss.first-batch": min(p.cause.batch_id for p in fresh)}
        return Change(bronze_rows(feed, table, fresh), summary={**summary, **counts, **noted})

    commit(catalog, feed.bronze, plan)
    new = frozenset(poll.cause.batch_id for poll in fresh)
    known = frozenset(poll.cause.batch_id for poll in candidates) - new
    return sum(len(poll.accepted) for poll in fresh), new, known


def bronze_rows(feed: Feed, table: Table, polls: Sequence[Poll]) -> pa.Table:
    """The accepted records of polls as rows of bronze, stamped with the commit they are to land in."""
    verdicts = [verdict for poll in polls for _, verdict in poll.accepted]
    fields: Iterable[Sequence[Any]] = zip(*(verdict.values for verdict in verdicts), strict=True)
    repeated = [(poll, len(poll.accepted)) for poll in polls]
    columns = (
        *fields,
        [verdict.unknown for verdict in verdicts],
        [poll.polled_at for poll, count in repeated for _ in range(count)],
        [poll.cause.batch_id for poll, count in repeated for _ in range(count)],
        [index for poll in polls for index, _ in poll.accepted],
        [poll.source for poll, count in repeated for _ in range(count)],
        [table.metadata.next_sequence_number()] * len(verdicts),
    )
    # by name: the page may list the fields in another order than when the table was made
    by_name = dict(zip(bronze_schema(feed).column_names, columns, strict=True))
    return _to_arrow(table, [by_name[name] for name in table.schema().column_names])


def _to_arrow(table: Table, columns: Iterable[Sequence[Any]]) -> pa.Table:
    schema = table.schema().as_arrow()
    arrays = [pa.array(values, field.type) for field, values in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
