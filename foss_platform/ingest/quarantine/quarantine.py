"""The records in quarantine and their state. See `ingest.quarantine.replay` for replaying them.

The state "replayed" is not stored: a record is replayed if bronze contains its batch and index. A record is
unfinished if its try crashed before the poll was logged. The retry has polled again, so it is never replayed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pyiceberg.catalog import Catalog

from foss_platform.ingest.bronze.present_batches import distinct
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.files.conditions import at_least, one_of
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.tables import find_table


class State(StrEnum):
    """The state of a quarantined record."""

    WAITING = "waiting"
    REPLAYED = "replayed"
    UNFINISHED = "unfinished"


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record in quarantine. Times are in UTC, and `record` is JSON text."""

    batch_id: str
    record_index: int
    polled_at: datetime
    source: str
    reason: str
    record: str
    state: State


def quarantined(
    catalog: Catalog, feed: Feed, since: datetime | None = None, reason: str | None = None
) -> Iterator[QuarantinedRecord]:
    """Yield the records in quarantine. Reads one record batch at a time.

    Parameters
    ----------
    since
        Only records of polls from this time on.
    reason
        Only records whose reason contains this text.
    """
    table, log = find_table(catalog, feed.rejected), find_table(catalog, POLLS)
    bronze = find_table(catalog, feed.bronze)
    if table is None or table.current_snapshot() is None:
        return
    condition = at_least("_polled_at", since.isoformat()) if since else at_least("_record_index", 0)
    with lake_failures():
        for batch in table.scan(row_filter=condition).to_arrow_batch_reader():
            rows = [row for row in batch.to_pylist() if reason is None or reason in row["reason"]]
            ids = {row["_batch_id"] for row in rows}
            replayed = (
                distinct(bronze, one_of("_batch_id", ids), "_batch_id", "_record_index") if bronze and ids else set()
            )
            finished = distinct(log, one_of("batch_id", ids), "batch_id", "polled_at") if log and ids else set()
            yield from (_record(row, replayed, finished) for row in rows)


def _record(row: dict[str, Any], replayed: set[tuple[Any, ...]], finished: set[tuple[Any, ...]]) -> QuarantinedRecord:
    if (row["_batch_id"], row["_record_index"]) in replayed:
        state = State.REPLAYED
    elif (row["_batch_id"], row["_polled_at"]) in finished:
        state = State.WAITING
    else:
        state = State.UNFINISHED
    return QuarantinedRecord(
        row["_batch_id"],
        row["_record_index"],
        row["_polled_at"],
        row["_source"],
        row["reason"],
        row["record"],
        state,
    )
