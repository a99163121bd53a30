"""Queries of the poll log `ops.polls`: the history of a feed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, BooleanExpression

from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import PollStatus
from foss_platform.lake.files.conditions import at_least, at_most, equal
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.statistics import newest_value
from foss_platform.lake.table.tables import find_table

# history that is read to measure how long a feed has been frozen; a longer freeze is reported as one day
_LOOK_BACK = timedelta(days=1)


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
