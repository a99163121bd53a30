"""The order of a table's commits: none is older than the one before it, whatever the clock says.

Iceberg's Java, Rust and Go libraries refuse a table whose logs run backwards by more than a minute, and a moment
would name a later state. PyIceberg stamps each commit with the clock alone (0.12). While the clock is behind, a
commit is stamped one millisecond after the one before it.

What belongs here: the rule. What does not: where it is applied (`lake.connect.sql_catalog`, `lake.connect.rest`, `lake.commit.transaction`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TypeVar

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import MetadataLogEntry, SnapshotLogEntry
from pyiceberg.table.update import AddSnapshotUpdate, TableUpdate

LogEntry = TypeVar("LogEntry", SnapshotLogEntry, MetadataLogEntry)

#: By how much a clock may be behind before anybody is told: no two machines agree exactly.
TOLERATED_SECONDS = 5.0


def newest_commit(metadata: TableMetadata) -> int:
    """The latest time that the metadata bears, in milliseconds since 1970."""
    return max(
        metadata.last_updated_ms,
        *(entry.timestamp_ms for entry in metadata.snapshot_log),
        *(entry.timestamp_ms for entry in metadata.metadata_log),
        *(snapshot.timestamp_ms for snapshot in metadata.snapshots),
        0,
    )


def in_order(base: TableMetadata, updates: Sequence[TableUpdate]) -> tuple[TableUpdate, ...]:
    """The updates with snapshots that are newer than `base`, and each newer than the one before it."""
    newest = max((snapshot.timestamp_ms for snapshot in base.snapshots), default=0)
    least = newest_commit(base)
    ordered: list[TableUpdate] = []
    for update in updates:
        if isinstance(update, AddSnapshotUpdate):
            newest = max(newest + 1, least, update.snapshot.timestamp_ms)
            snapshot = update.snapshot.model_copy(update={"timestamp_ms": newest})
            ordered.append(update.model_copy(update={"snapshot": snapshot}))
        else:
            ordered.append(update)
    return tuple(ordered)


def with_times_in_order(base: TableMetadata, changed: TableMetadata) -> TableMetadata:
    """The metadata of a commit to `base`, with an update time and logs that do not run backwards.

    Logs that ran backwards before are repaired, so that other engines can open the table again.
    """
    if changed == base:
        return changed
    least = newest_commit(base)
    last_updated = max(changed.last_updated_ms, least)
    standing = set(base.snapshot_log)
    snapshot_log = [
        entry if entry in standing else entry.model_copy(update={"timestamp_ms": max(entry.timestamp_ms, least)})
        for entry in changed.snapshot_log
    ]
    return changed.model_copy(
        update={
            "last_updated_ms": last_updated,
            "snapshot_log": _ascending(snapshot_log),
            "metadata_log": _ascending(changed.metadata_log),
        }
    )


def seconds_behind(metadata: TableMetadata, now: datetime) -> float:
    """By how much a clock that says `now` is behind the newest commit; 0 if it is not."""
    return max(0.0, (moment_of(newest_commit(metadata)) - now).total_seconds())


def not_before(metadata: TableMetadata, now: datetime) -> datetime:
    """The moment from which a table's promises count: now, or its newest commit while the clock is behind that."""
    return max(now, moment_of(newest_commit(metadata)))


def _ascending(log: Sequence[LogEntry]) -> list[LogEntry]:
    """The log with each time at least the one before it."""
    times = accumulate((entry.timestamp_ms for entry in log), max)
    return [
        entry if entry.timestamp_ms == time else entry.model_copy(update={"timestamp_ms": time})
        for entry, time in zip(log, times, strict=True)
    ]


def moment_of(milliseconds: int) -> datetime:
    """A moment as Iceberg counts it, since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
