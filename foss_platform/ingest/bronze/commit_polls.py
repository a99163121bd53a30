"""Commits polls: first to quarantine, then to bronze, then to the poll log.

A commit cannot span several tables, so the order of the three commits is important:

1. Quarantine first, so that a poll never counts as committed without its rejected records.
2. Bronze second. From now on the batch is committed, and committing it again changes nothing.
3. `ops.polls` last, with the outcome of the attempt.

A crash after the first commit leaves rejected records of a poll that is not committed. The retry adds its own rejected
records, which differ in `_polled_at`. A crash after the second commit leaves a batch without its row in the log. The
summary of bronze's snapshot contains this row, and the next run of the pipeline copies it to the log
(`poll_log.repair_poll_log`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.ingest.bronze.evolution import evolve_schema
from foss_platform.ingest.bronze.poll_log import SUMMARY_LOG, log_polls, log_to_json
from foss_platform.ingest.bronze.present_batches import batches_in, distinct, present_batches, within
from foss_platform.ingest.bronze.schemas import bronze_schema, bronze_spec, polls_spec, rejected_spec
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import CauseKind
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.commit.commit_with_retry import sync_properties
from foss_platform.lake.table.tables import ensure_table, find_table

# Only small commits contain their log rows in the snapshot's summary. The log rows of a bulk commit would add megabytes
# to the table's metadata. A replay is repaired by running it again instead.
_MAX_LOGGED_BATCHES = 4


@dataclass(frozen=True)
class Written:
    """The result of a commit of polls.

    Attributes
    ----------
    new_batches
        Batches that this commit added.
    known_batches
        Batches that were already committed, so this commit did not add them.
    """

    rows: int
    rejected: int
    new_batches: frozenset[str]
    known_batches: frozenset[str]


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
    catalog: Catalog,
    feed: Feed,
    polls: Sequence[Poll],
    summary: Mapping[str, str],
    logged_until: Mapping[str, str] | None = None,
) -> Written:
    """Commit accepted and failed polls. Batches that are already committed change nothing.

    Parameters
    ----------
    logged_until
        The table properties that `repair_poll_log` returned. They are set in the commit of the log's rows.

    Raises
    ------
    TransientError
        If the store or catalog failed. Commits made before the failure remain. Calling this function again makes the
        others.
    """
    polls = _first_of_each_batch(polls)
    summary = {**summary, "foss.pipeline": feed.name}
    rejected = _commit_rejected(catalog, feed, polls, summary)
    rows, new, known = _commit_bronze(catalog, feed, polls, summary)
    # If another try has committed a live batch, that try logs its own poll. For a recorded batch, both tries have the
    # same poll, so both may log it.
    logged = [p for p in polls if p.error or p.cause.batch_id in new or p.cause.kind is CauseKind.RECORDING]
    log_polls(catalog, [poll.log for poll in logged], summary, logged_until)
    return Written(rows, rejected, new, known)


def is_in_bronze(catalog: Catalog, feed: Feed, batch_id: str) -> bool:
    """Return whether the batch is committed: whether bronze contains rows of it."""
    table = find_table(catalog, feed.bronze)
    return table is not None and bool(batches_in(table, [batch_id]))


def _first_of_each_batch(polls: Sequence[Poll]) -> list[Poll]:
    """Return all failed attempts, and of each batch the first accepted poll. Later polls of a batch change nothing."""
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
    """Return the accepted records of polls as rows of bronze, with the sequence number of the commit that adds them."""
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
    # match columns by name, because the page may list the fields in another order than the table
    by_name = dict(zip(bronze_schema(feed).column_names, columns, strict=True))
    return _to_arrow(table, [by_name[name] for name in table.schema().column_names])


def _to_arrow(table: Table, columns: Iterable[Sequence[Any]]) -> pa.Table:
    schema = table.schema().as_arrow()
    arrays = [pa.array(values, field.type) for field, values in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
