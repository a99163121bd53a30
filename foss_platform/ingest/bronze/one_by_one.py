"""Commits of polls to a REST catalog, which commits one table after the other. No other catalog uses this module.

The order of the three commits is important:

1. Quarantine first, so that a poll never counts as committed without its rejected records.
2. Bronze second. From now on the batch is committed, and committing it again changes nothing.
3. `ops.polls` last, with the outcome of the attempt.

A crash after the first commit leaves rejected records of a poll that is not committed. The retry adds its own rejected
records, which differ in `_polled_at`. A crash after the second commit leaves a batch without its row in the log. The
summary of bronze's snapshot contains this row, and the next commit of the pipeline copies it to the log.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.ingest.bronze.poll_changes import PollChanges, Written, log_rows
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import CauseKind
from foss_platform.lake.build.commit_and_compact import Change, TableChange, commit
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import consumed_positions, own_position, position_properties
from foss_platform.lake.table.tables import find_tables

#: Key in the summary of a bronze snapshot: the log rows of its batches. A crash before the log's commit loses no row.
SUMMARY_LOG = "foss.polls"

# Only small commits contain their log rows in the snapshot's summary. The log rows of a bulk commit would add megabytes
# to the table's metadata. A replay is repaired by running it again instead.
_MAX_LOGGED_BATCHES = 4


@dataclass(frozen=True)
class RepairedLog:
    """The result of a repair of the poll log.

    Attributes
    ----------
    added
        Missing rows that were added to the log.
    logged_until
        Table properties that record up to which commit of bronze the log is complete. The log's next commit sets them.
    """

    added: int = 0
    logged_until: Mapping[str, str] = field(default_factory=dict)


def commit_each(catalog: Catalog, changes: Iterable[TableChange]) -> None:
    """Commit the tables in this order, each in a commit of its own."""
    for change in changes:
        commit(catalog, change.name, change.plan)


def commit_polls(catalog: Catalog, changes: PollChanges) -> Written:
    """Repair the log, then commit the polls of one feed.

    Raises
    ------
    TransientError
        If the store or catalog failed. Commits made before the failure remain. Calling this function again makes the
        others.
    """
    repaired = repair_poll_log(catalog, changes.feed, changes.summary)

    def rejected(table: Table) -> Change | None:
        return changes.rejected_of(changes.polls, table)

    def bronze(table: Table) -> Change | None:
        change = changes.bronze(table)
        if change is None or len(changes.new) > _MAX_LOGGED_BATCHES:
            return change
        noted = {SUMMARY_LOG: _to_json([poll.log for poll in changes.new])}
        return replace(change, summary={**change.summary, **noted})

    def log(table: Table) -> Change | None:
        # If another try has committed a live batch, that try logs its own poll. For a recorded batch, both tries have
        # the same poll, so both may log it.
        recorded = [poll for poll in changes.accepted if poll.cause.kind is CauseKind.RECORDING]
        rows = [poll.log for poll in {id(poll): poll for poll in (*changes.attempts, *recorded)}.values()]
        return log_rows(table, rows, changes.summary, repaired.logged_until)

    feed = changes.feed
    if any(poll.rejected for poll in changes.polls):
        commit(catalog, feed.rejected, rejected)
    commit_each(catalog, [TableChange(feed.bronze, bronze), TableChange(POLLS, log)])
    return replace(changes.written(), healed=repaired.added)


def repair_poll_log(catalog: Catalog, feed: Feed, summary: Mapping[str, str]) -> RepairedLog:
    """Add the rows of batches that are in bronze but not in `ops.polls`, because a run crashed between the two commits.

    Reads all snapshots of bronze that are newer than the last complete log. The newest log row is not enough, because
    another run may have logged its batch after the crash. Reading all 60 live snapshots took 0.2 s per poll.
    """
    tables = find_tables(catalog, (feed.bronze, POLLS))
    if len(tables) < 2:
        return RepairedLog()
    bronze = tables[feed.bronze]
    rows = _noted_rows(feed.bronze, bronze, tables[POLLS])
    added = 0

    def plan(table: Table) -> Change | None:
        nonlocal added
        change = log_rows(table, rows, {**summary, "foss.healed": "true"})
        added = change.rows.num_rows if change is not None and isinstance(change.rows, pa.Table) else 0
        return change

    if log_rows(tables[POLLS], rows, {}) is not None:
        commit(catalog, POLLS, plan)
    position = (str(bronze.metadata.table_uuid), own_position(bronze))
    return RepairedLog(added, position_properties({str(feed.bronze): position}))


def tables_with_unlogged_polls(tables: Mapping[TableName, Table]) -> list[TableName]:
    """Return the bronze tables with polls that are not in the log."""
    polls = tables.get(POLLS)
    if polls is None:
        return []
    noted = {name: _noted_rows(name, table, polls) for name, table in tables.items() if name.namespace == "bronze"}
    return [name for name, rows in noted.items() if log_rows(polls, rows, {}) is not None]


def _noted_rows(name: TableName, bronze: Table, polls: Table) -> list[dict[str, Any]]:
    """Return the rows for the log in the summaries of bronze's snapshots that are newer than the last complete log."""
    uuid = str(bronze.metadata.table_uuid)
    known_uuid, whole_until = consumed_positions(polls).get(str(name), (uuid, 0))
    owed = [s for s in bronze.snapshots() if known_uuid != uuid or (s.sequence_number or 0) > whole_until]
    texts = [s.summary.additional_properties.get(SUMMARY_LOG, "[]") for s in owed if s.summary is not None]
    return [_log_row(row) for text in texts for row in json.loads(text)]


def _to_json(rows: Sequence[Mapping[str, Any]]) -> str:
    # accepted polls have no body in their row, so every value is text, a number or a time
    return json.dumps(rows, default=lambda moment: moment.isoformat())


def _log_row(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(row[name]) for name in ("polled_at", "newest_data_time") if row[name]}
    return {**row, **times}
