"""Reading `ops.polls`: how long a feed has stood still, how its last attempt ended. Not here: writing it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, BooleanExpression

from foss_platform.ingest.poll import PollStatus
from foss_platform.ingest.schemas import POLLS
from foss_platform.lake.conditions import at_least, at_most, equal
from foss_platform.lake.failures import lake_failures
from foss_platform.lake.statistics import newest_value
from foss_platform.lake.tables import find_table

# a standstill of more than a day need not be measured to the minute
_LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True)
class LoggedPoll:
    """An accepted poll as the log has it (times in UTC)."""

    polled_at: datetime
    newest_data_time: datetime | None


@dataclass(frozen=True)
class LastPoll:
    """How a pipeline's last attempt ended (times in UTC)."""

    polled_at: datetime
    status: str
    newest_data_time: datetime | None
    records_rejected: int


def last_poll(catalog: Catalog, pipeline: str) -> LastPoll | None:
    """The attempt with the latest poll time, or None where there is none; an age is of the last data it knows."""
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


def standing_since(catalog: Catalog, pipeline: str, polled_at: datetime, newest_data_time: datetime) -> datetime:
    """Poll time of the first of the unbroken run of accepted polls, up to `polled_at`, with this newest data time.

    Looks back over a day; a longer standstill counts from there.
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
