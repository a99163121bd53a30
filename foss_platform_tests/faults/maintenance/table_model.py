"""What the tests of maintenance share: a plain model of a table's states, and what lies on the disk.

What the table refers to is found here once more, by PyIceberg alone, so that removal is not judged by itself.
"""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.table import StaticTable, Table

from foss_platform.lake.maintenance.removal import NOTES
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
    """What the table held from a moment on."""

    since: datetime
    rows: Rows
    snapshot_id: int


def state_at(states: Sequence[State], moment: datetime) -> State | None:
    """What the table held at a moment; None before the first commit."""
    place = bisect_right([state.since for state in states], moment)
    return states[place - 1] if place else None


def full_ones(policy: TablePolicy, moment: datetime) -> set[datetime]:
    """The full hours and midnights that a policy promises."""
    hours = {full(moment, HOUR) - back * HOUR for back in range(policy.keep_hours)}
    return hours | {full(moment, DAY) - back * DAY for back in range(policy.keep_days)}


def full(moment: datetime, unit: timedelta) -> datetime:
    """The last full hour or midnight."""
    return moment - (moment - datetime(2020, 1, 1, tzinfo=UTC)) % unit


def now() -> datetime:
    """The moment, as the clock that is moved by hand has it."""
    return datetime.now(UTC)


def arrow(rows: Rows) -> pa.Table:
    """Rows as they are committed."""
    return pa.Table.from_pylist([{"id": number, "at": at} for number, at in rows], schema=SCHEMA)


def rows_at(table: Table, point: Point) -> Rows:
    """All rows of a point."""
    return rows_in(point_table(table, point), point.snapshot_id)


def rows_in(table: Table, snapshot_id: int | None = None) -> Rows:
    """All rows, sorted."""
    if snapshot_id is None and table.current_snapshot() is None:
        return ()
    rows = table.scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
    return tuple(sorted((row["id"], row["at"]) for row in rows))


def files_below(root: Path) -> set[str]:
    """Every file of a table, whatever it is."""
    return {str(path) for path in root.rglob("*") if path.is_file()}


def date_files(root: Path) -> None:
    """What was written since the clock was moved by hand is of its time, as a store that has that clock would say."""
    moment = now().timestamp()
    for path in files_below(root):
        if Path(path).stat().st_mtime > moment:
            os.utime(path, (moment, moment))


def referenced_files(table: Table, root: Path) -> set[str]:
    """Every file that the table or a pinned state refers to, and the notes of the removal."""
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
