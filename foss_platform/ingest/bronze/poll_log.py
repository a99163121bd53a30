"""The poll log `ops.polls`: adds rows, repairs the log after a crash, and queries the history of a feed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, BooleanExpression
from pyiceberg.table import Table

from foss_platform.ingest.bronze.present_batches import distinct, within
from foss_platform.ingest.bronze.schemas import POLLS, SEQUENCE_NUMBER
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import PollStatus
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.files.conditions import at_least, at_most, equal
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.positions import consumed_positions, own_position, position_properties
from foss_platform.lake.table.statistics import newest_value
from foss_platform.lake.table.tables import find_table

_ATTEMPT = ("batch_id", "polled_at", "status")

#: Key in the summary of a bronze snapshot: the log rows of its batches. A crash before the log's commit loses no row.
SUMMARY_LOG = "foss.polls"

# history that is read to measure how long a feed has been frozen; a longer freeze is reported as one day
_LOOK_BACK = timedelta(days=1)


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


def log_polls(
    catalog: Catalog,
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, str],
    logged_until: Mapping[str, str] | None = None,
) -> int:
    """Add the attempts that are not in the log yet, and return their number.

    An attempt is identified by its batch, poll time and outcome. The outcome is included because a try may fail and
    its retry succeed within one second, which is the resolution of a recorded feed's `Date` header.
    """
    if not rows:
        return 0
    added = 0

    def plan(table: Table) -> Change | None:
        nonlocal added
        present = distinct(table, within("polled_at", [row["polled_at"] for row in rows]), *_ATTEMPT)
        fresh = [row for row in rows if tuple(row[name] for name in _ATTEMPT) not in present]
        added = len(fresh)
        if not fresh:
            return None
        sequence = table.metadata.next_sequence_number()
        records = [{**row, SEQUENCE_NUMBER: sequence} for row in fresh]
        arrow = pa.Table.from_pylist(records, schema=table.schema().as_arrow())
        return Change(arrow, properties=logged_until or {}, summary=summary)

    commit(catalog, POLLS, plan)
    return added


def repair_poll_log(catalog: Catalog, feed: Feed, summary: Mapping[str, str]) -> RepairedLog:
    """Add the rows of batches that are in bronze but not in `ops.polls`, because a run crashed between the two commits.

    Reads all snapshots of bronze that are newer than the last complete log. The newest log row is not enough, because
    another run may have logged its batch after the crash. Reading all 60 live snapshots took 0.2 s per poll.
    """
    bronze, polls = find_table(catalog, feed.bronze), find_table(catalog, POLLS)
    if bronze is None or polls is None:
        return RepairedLog()
    source, uuid = str(feed.bronze), str(bronze.metadata.table_uuid)
    known_uuid, whole_until = consumed_positions(polls).get(source, (uuid, 0))
    owed = [s for s in bronze.snapshots() if known_uuid != uuid or (s.sequence_number or 0) > whole_until]
    noted = [s.summary.additional_properties.get(SUMMARY_LOG, "[]") for s in owed if s.summary]
    rows = [_log_row(row) for text in noted for row in json.loads(text)]
    added = log_polls(catalog, rows, {**summary, "foss.healed": "true"})
    return RepairedLog(added, position_properties({source: (uuid, own_position(bronze))}))


def log_to_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return log rows of accepted polls as text for a snapshot's summary."""
    # accepted polls have no body in their row, so every value is text, a number or a time
    return json.dumps(rows, default=lambda moment: moment.isoformat())


def _log_row(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(row[name]) for name in ("polled_at", "newest_data_time") if row[name]}
    return {**row, **times}


@dataclass(frozen=True)
class LoggedPoll:
    """An accepted poll in the log (times in UTC)."""

    polled_at: datetime
    newest_data_time: datetime | None


@dataclass(frozen=True)
class LastPoll:
    """The outcome of a pipeline's last attempt (times in UTC)."""

    polled_at: datetime
    status: str
    newest_data_time: datetime | None
    records_rejected: int


def last_poll(catalog: Catalog, pipeline: str) -> LastPoll | None:
    """Return the latest attempt, with the newest data time known at that time. None if there was no attempt."""
    table = find_table(catalog, POLLS)
    newest = newest_value(table, "polled_at") if table is not None else None
    if table is None or newest is None:
        return None
    for window in (_LOOK_BACK, _LOOK_BACK * 30, None):
        condition: BooleanExpression = equal("pipeline", pipeline)
        if window is not None:
            since = datetime.fromtimestamp(newest / 1_000_000, UTC) - window
            condition = And(condition, at_least("polled_at", since.isoformat()))
        columns = ("polled_at", "status", "newest_data_time", "records_rejected")
        with lake_failures():
            rows = table.scan(row_filter=condition, selected_fields=columns).to_arrow().to_pylist()
        if rows:
            last = max(rows, key=lambda row: row["polled_at"])
            times = [row["newest_data_time"] for row in rows if row["newest_data_time"] is not None]
            newest_data_time = _utc(max(times, default=None))
            return LastPoll(_utc(last["polled_at"]), last["status"], newest_data_time, last["records_rejected"])
    return None


def find_accepted(catalog: Catalog, batch_id: str) -> dict[str, Any] | None:
    """Return the log row of the batch's accepted poll, by column (times in UTC, no body)."""
    table = find_table(catalog, POLLS)
    if table is None or table.current_snapshot() is None:
        return None
    columns = tuple(name for name in table.schema().column_names if name != "body")
    condition = And(equal("batch_id", batch_id), equal("status", PollStatus.ACCEPTED.value))
    with lake_failures():
        rows = table.scan(row_filter=condition, selected_fields=columns).to_arrow().to_pylist()
    times = ("polled_at", "newest_data_time")
    return {**rows[0], **{name: _utc(rows[0][name]) for name in times}} if rows else None


def rejection_reasons(catalog: Catalog, feed: Feed, batch_id: str, polled_at: datetime) -> list[str]:
    """Return the reason of each record that this attempt rejected."""
    table = find_table(catalog, feed.rejected)
    if table is None or table.current_snapshot() is None:
        return []
    condition = And(equal("_batch_id", batch_id), equal("_polled_at", polled_at.isoformat()))
    with lake_failures():
        found = table.scan(row_filter=condition, selected_fields=("reason",)).to_arrow()
    return [str(reason) for reason in found["reason"].to_pylist()]


def standing_since(catalog: Catalog, pipeline: str, polled_at: datetime, newest_data_time: datetime) -> datetime:
    """Return since when all polls up to `polled_at` have had this newest data time: the time of the first such poll.

    Reads one day of the log. If the data time has been the same for longer, the result is the first poll of that day.
    """
    first = polled_at
    for poll in sorted(_accepted(catalog, pipeline, polled_at), key=lambda p: p.polled_at, reverse=True):
        if poll.newest_data_time != newest_data_time:
            break
        first = poll.polled_at
    return first


def _accepted(catalog: Catalog, pipeline: str, until: datetime) -> list[LoggedPoll]:
    table = find_table(catalog, POLLS)
    if table is None or table.current_snapshot() is None:
        return []
    condition = And(
        equal("pipeline", pipeline),
        equal("status", PollStatus.ACCEPTED.value),
        at_least("polled_at", (until - _LOOK_BACK).isoformat()),
        at_most("polled_at", until.isoformat()),
    )
    with lake_failures():
        rows = (
            table.scan(row_filter=condition, selected_fields=("polled_at", "newest_data_time")).to_arrow().to_pylist()
        )
    return [LoggedPoll(_utc(row["polled_at"]), _utc(row["newest_data_time"])) for row in rows]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if value is not None else None
