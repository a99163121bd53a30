"""Helpers of the maintenance tests: a plain model of a table's states, and the files on disk.

The referenced files are determined here independently through PyIceberg, so the removal is not checked against
itself.
"""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.table import StaticTable, Table

from foss_platform.lake.maintenance.unreferenced_files import NOTES
from foss_platform.lake.snapshots.points import PINNED_PREFIX, Point, point_table
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC"))])
MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Rows = tuple[tuple[int, datetime], ...]


@dataclass(frozen=True)
class State:
    """Content of the table from a moment on."""

    since: datetime
    rows: Rows
    snapshot_id: int


def state_at(states: Sequence[State], moment: datetime) -> State | None:
    """Return the state of the table at a moment, or None before the first commit."""
    place = bisect_right([state.since for state in states], moment)
    return states[place - 1] if place else None


def full_ones(policy: TablePolicy, moment: datetime) -> set[datetime]:
    """Return the full hours and midnights that a policy retains."""
    hours = {full(moment, HOUR) - back * HOUR for back in range(policy.keep_hours)}
    return hours | {full(moment, DAY) - back * DAY for back in range(policy.keep_days)}


def full(moment: datetime, unit: timedelta) -> datetime:
    """Return the last full hour or midnight."""
    return moment - (moment - datetime(2020, 1, 1, tzinfo=UTC)) % unit


def now() -> datetime:
    """Return the current time of the moved clock."""
    return datetime.now(UTC)


def arrow(rows: Rows) -> pa.Table:
    """Return rows as an Arrow table for a commit."""
    return pa.Table.from_pylist([{"id": number, "at": at} for number, at in rows], schema=SCHEMA)


def rows_at(table: Table, point: Point) -> Rows:
    """Return all rows at a point."""
    return rows_in(point_table(table, point), point.snapshot_id)


def rows_in(table: Table, snapshot_id: int | None = None) -> Rows:
    """Return all rows, sorted."""
    if snapshot_id is None and table.current_snapshot() is None:
        return ()
    rows = table.scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
    return tuple(sorted((row["id"], row["at"]) for row in rows))


def files_below(root: Path) -> set[str]:
    """Return every file of a table, of any kind."""
    return {str(path) for path in root.rglob("*") if path.is_file()}


def date_files(root: Path) -> None:
    """Set new files' modification times to the moved clock, as a store with that clock would do."""
    moment = now().timestamp()
    for path in files_below(root):
        if Path(path).stat().st_mtime > moment:
            os.utime(path, (moment, moment))


def referenced_files(table: Table, root: Path) -> set[str]:
    """Return every file referenced by the table or by a pinned state, and the removal notes."""
    found = {_path(table.metadata_location), *(_path(entry.metadata_file) for entry in table.metadata.metadata_log)}
    tables: list[Table] = [table]
    for path in (root / "metadata").glob(f"{PINNED_PREFIX}*.metadata.json"):
        found.add(str(path))
        tables.append(StaticTable.from_metadata(f"file://{path}"))
    for one in tables:
        for snapshot in one.snapshots():
            found.add(_path(snapshot.manifest_list))
            for manifest in snapshot.manifests(one.io):
                found.add(_path(manifest.manifest_path))
                entries = manifest.fetch_manifest_entry(one.io, discard_deleted=True)
                found.update(_path(entry.data_file.file_path) for entry in entries)
    return found | ({str(root / NOTES)} if (root / NOTES).exists() else set())


def _path(location: str) -> str:
    return location.removeprefix("file://")
