"""Which snapshot was current at a moment, and what the live ones are. Not here: making or expiring them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table import Table

from foss_platform.errors import LastingError


@dataclass(frozen=True)
class SnapshotPoint:
    """A snapshot and the moment from which it was the table's state (UTC, to the millisecond)."""

    snapshot_id: int
    committed_at: datetime


def live_points(table: Table) -> list[SnapshotPoint]:
    """The states that can still be read, oldest first, by the table's own log of its current snapshots."""
    live = {snapshot.snapshot_id for snapshot in table.metadata.snapshots}
    return [
        SnapshotPoint(entry.snapshot_id, _moment(entry.timestamp_ms))
        for entry in table.history()
        if entry.snapshot_id in live
    ]


def point_at(table: Table, moment: datetime) -> SnapshotPoint:
    """The state of `table` at `moment`: its last snapshot that is not younger.

    Raises
    ------
    LastingError
        When that state is no longer kept, or the table was empty then. It is never rounded.
    """
    points = live_points(table)
    name = ".".join(table.name())
    if not points:
        raise LastingError(f"{name} has never held a row, so there is no state of it to read.")
    earlier = [point for point in points if point.committed_at <= moment]
    following = points[len(earlier)] if len(earlier) < len(points) else None
    if earlier and (following is None or earlier[-1].committed_at == moment or _is_next(table, following)):
        return earlier[-1]
    next_kept = points[len(earlier)]
    snapshot = table.snapshot_by_id(next_kept.snapshot_id)
    # the parent does not tell: PyIceberg clears it when the parent expires
    first_ever = snapshot is not None and snapshot.sequence_number == 1
    what = "held no rows yet" if first_ever else "is no longer kept as it was"
    which = "next" if earlier else "oldest"
    raise LastingError(
        f"{name} {what} at {moment.isoformat()}.",
        f"The {which} moment that can be read is {next_kept.committed_at.isoformat()}.",
    )


def _is_next(table: Table, point: SnapshotPoint) -> bool:
    """Whether no snapshot that came before this one has expired: a tag can keep one that is older still."""
    snapshot = table.snapshot_by_id(point.snapshot_id)
    parent = snapshot.parent_snapshot_id if snapshot is not None else None
    return parent is not None and table.snapshot_by_id(parent) is not None


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
