"""The order of a table's commits: no commit is older than the previous one, whatever the clock says.

Iceberg's Java, Rust and Go libraries refuse a table whose logs run backwards by more than a minute. Time travel
would also return the wrong state. PyIceberg 0.12 takes a commit's time from the clock alone. While the clock is
behind, a commit is stamped one millisecond after the previous commit.

The rule is applied in `lake.connect.sql_catalog`, `lake.connect.rest` and `lake.commit.cached_transaction`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TypeVar

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import MetadataLogEntry, SnapshotLogEntry
from pyiceberg.table.update import AddSnapshotUpdate, TableUpdate

LogEntry = TypeVar("LogEntry", SnapshotLogEntry, MetadataLogEntry)

#: How far a clock may be behind before this is reported. No two machines agree exactly.
TOLERATED_SECONDS = 5.0


def newest_commit(metadata: TableMetadata) -> int:
    """Return the latest time in the metadata, in milliseconds since 1970."""
    return max(
        metadata.last_updated_ms,
        *(entry.timestamp_ms for entry in metadata.snapshot_log),
        *(entry.timestamp_ms for entry in metadata.metadata_log),
        *(snapshot.timestamp_ms for snapshot in metadata.snapshots),
        0,
    )


def in_order(base: TableMetadata, updates: Sequence[TableUpdate]) -> tuple[TableUpdate, ...]:
    """Return the updates with snapshot times that do not run backwards.

    A snapshot whose time is behind gets the newest time plus one millisecond, so that no two snapshots have the same
    time.
    """
    newest = newest_commit(base)
    ordered: list[TableUpdate] = []
    for update in updates:
        if isinstance(update, AddSnapshotUpdate):
            newest = _in_order(newest, update.snapshot.timestamp_ms)
            snapshot = update.snapshot.model_copy(update={"timestamp_ms": newest})
            ordered.append(update.model_copy(update={"snapshot": snapshot}))
        else:
            ordered.append(update)
    return tuple(ordered)


def with_times_in_order(base: TableMetadata, changed: TableMetadata) -> TableMetadata:
    """Return the metadata of a commit to `base`, with an update time and logs that do not run backwards.

    Logs that already ran backwards are repaired, so that other engines can open the table again.
    """
    if changed == base:
        return changed
    newest = newest_commit(base)
    last_updated = _in_order(newest, changed.last_updated_ms)
    standing = set(base.snapshot_log)
    snapshot_log = [
        entry if entry in standing else entry.model_copy(update={"timestamp_ms": _in_order(newest, entry.timestamp_ms)})
        for entry in changed.snapshot_log
    ]
    return changed.model_copy(
        update={
            "last_updated_ms": last_updated,
            "snapshot_log": _ascending(snapshot_log),
            "metadata_log": _ascending(changed.metadata_log),
        }
    )


def _in_order(newest: int, timestamp_ms: int) -> int:
    """Return the time, or one millisecond after the newest time if it is behind."""
    return timestamp_ms if timestamp_ms >= newest else newest + 1


def seconds_behind(metadata: TableMetadata, now: datetime) -> float:
    """Return by how many seconds the clock's time `now` is behind the newest commit. 0 if it is not behind."""
    return max(0.0, (moment_of(newest_commit(metadata)) - now).total_seconds())


def not_before(metadata: TableMetadata, now: datetime) -> datetime:
    """Return the time from which retention is counted: now, or the newest commit if the clock is behind it."""
    return max(now, moment_of(newest_commit(metadata)))


def _ascending(log: Sequence[LogEntry]) -> list[LogEntry]:
    """Return the log with no entry earlier than the previous one."""
    times = accumulate((entry.timestamp_ms for entry in log), max)
    return [
        entry if entry.timestamp_ms == time else entry.model_copy(update={"timestamp_ms": time})
        for entry, time in zip(log, times, strict=True)
    ]


def moment_of(milliseconds: int) -> datetime:
    """Return the datetime of an Iceberg timestamp (milliseconds since 1970)."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
