"""The moments at which a table can be read: its live snapshots, and its pinned states.

Every live snapshot slows down all appends, so only few snapshots stay live. A state that is retained for longer is
pinned: before the next commit, table metadata with this snapshot only is written to a separate file beside the table's
metadata. The file name contains the snapshot's id and the hour of the pin, so that a listing is enough to find states.
Any Iceberg reader can open the file by its path.

This module finds and chooses points. See `lake.snapshots.pins` for creating them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from pyiceberg.table import StaticTable, Table
from pyiceberg.table.snapshots import Snapshot

from foss_platform.errors import ConfigurationError, PermanentError
from foss_platform.lake.connect.commit_order import moment_of
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.store.failures import damage, lake_failures
from foss_platform.lake.table.policy import TablePolicy

PINNED_PREFIX = "pinned-"
#: Key in a snapshot's summary: the engine that created it, if Iceberg's Java library did. PyIceberg records no
# engine.
ENGINE_SUMMARY = "engine-name"
_PINNED = re.compile(r"pinned-(\d{8}T\d{2})Z-(\d+)-(\d+)-(\d+)-([0-9a-f]{8})\.metadata\.json")
#: Folder of pinned states, below the table's location.
METADATA_FOLDER = "metadata"


@dataclass(frozen=True)
class Point:
    """A state of a table that can be read.

    Attributes
    ----------
    committed_at
        When it became the table's state (UTC, to the millisecond).
    until
        The last moment at which it is known to have been the table's state. For a live point, this is the instant
        before the next commit. None if it is the current state.
    metadata_location
        The metadata file from which the state is read.
    is_pinned
        Whether the state is read from a pinned file instead of a live snapshot.
    """

    snapshot_id: int
    sequence_number: int
    committed_at: datetime
    until: datetime | None
    metadata_location: str
    is_pinned: bool

    def holds(self, moment: datetime) -> bool:
        """Whether this was the table's state at `moment`."""
        return self.committed_at <= moment and (self.until is None or moment <= self.until)


def pinned_points(table: Table) -> list[Point]:
    """Return the pinned states, oldest first. Lists files, but reads none."""
    storage = Storage(table)
    with lake_failures():
        paths = [file.path for file in storage.list_files(METADATA_FOLDER)]
    points = []
    for path in paths:
        name = path.rpartition("/")[2]
        found = _PINNED.fullmatch(name) if path == f"{storage.root}/{METADATA_FOLDER}/{name}" else None
        # If a table was dropped and created again in the same place, the pins of the earlier table remain.
        if found is not None and found[5] == short_uuid(table):
            hour = datetime.strptime(f"{found[1]}+0000", "%Y%m%dT%H%z")
            location = f"{storage.location}/{METADATA_FOLDER}/{name}"
            points.append(Point(int(found[4]), int(found[3]), moment_of(int(found[2])), hour, location, is_pinned=True))
    return sorted(points, key=lambda point: (point.committed_at, point.sequence_number, point.until))


def live_points(table: Table) -> list[Point]:
    """Return the live states, oldest first, from the table's log of current snapshots."""
    live = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    log = [entry for entry in table.history() if entry.snapshot_id in live]
    points = []
    for entry, following in zip_longest(log, log[1:]):
        committed_at = moment_of(entry.timestamp_ms)
        until: datetime | None = committed_at
        if following is None:
            until = None
        elif _follows(live[following.snapshot_id], live[entry.snapshot_id]):
            until = moment_of(following.timestamp_ms) - timedelta(microseconds=1)
        # Otherwise, states in between may have expired. Then the state is known at the instant of its commit only.
        sequence = live[entry.snapshot_id].sequence_number or 0
        location = table.metadata_location
        points.append(Point(entry.snapshot_id, sequence, committed_at, until, location, is_pinned=False))
    return points


def _follows(later: Snapshot, earlier: Snapshot) -> bool:
    """Whether no other state was between two snapshots that are adjacent in the log."""
    if later.parent_snapshot_id is not None:
        return later.parent_snapshot_id == earlier.snapshot_id
    # A snapshot of Trino's CREATE OR REPLACE has no parent, but its sequence number is the next one.
    engine = later.summary.additional_properties.get(ENGINE_SUMMARY) if later.summary is not None else None
    return engine is not None and later.sequence_number == (earlier.sequence_number or 0) + 1


def all_points(table: Table) -> list[Point]:
    """Return every readable state once, oldest first."""
    chosen: dict[int, Point] = {point.snapshot_id: point for point in pinned_points(table)}
    for point in live_points(table):
        pinned = chosen.get(point.snapshot_id)
        if pinned is None or point.until is None or (pinned.until or point.until) <= point.until:
            chosen[point.snapshot_id] = point
    return sorted(chosen.values(), key=lambda point: (point.committed_at, point.sequence_number))


def point_at(table: Table, moment: datetime) -> Point:
    """Return the state of `table` at `moment`.

    Raises
    ------
    ConfigurationError
        If the moment is in the future.
    PermanentError
        If that state is not retained, or the table had no rows yet. The error names the nearest readable moments. The
        moment is never rounded.
    """
    points = all_points(table)
    name = ".".join(table.name())
    if not points:
        raise PermanentError(f"{name} has never held a row, so no state can be read.")
    # If the clock was set back, the newest commit may be later than now.
    refuse_future(moment, points[-1].committed_at)
    holding = [point for point in points if point.holds(moment)]
    if holding:
        return holding[-1]
    if points[0].sequence_number == 1 and moment < points[0].committed_at:
        raise PermanentError(
            f"{name} held no rows yet at {moment.isoformat()}.",
            f"The oldest readable moment is {points[0].committed_at.isoformat()}.",
        )
    raise PermanentError(
        f"The state of {name} at {moment.isoformat()} is no longer retained.", _nearest(points, moment)
    )


def refuse_future(moment: datetime, newest: datetime | None = None) -> None:
    """Refuse a moment that is later than both the clock's time and the newest commit.

    Raises
    ------
    ConfigurationError
        If the moment is in the future.
    """
    now = max(datetime.now(UTC), newest) if newest is not None else datetime.now(UTC)
    if moment > now:
        raise ConfigurationError(
            f"{moment.isoformat()} is in the future.", f"It is {now.isoformat(timespec='seconds')} now."
        )


def point_table(table: Table, point: Point) -> Table:
    """Return the table with the schema, properties and snapshot of the point.

    Raises
    ------
    PermanentError
        If the pinned file cannot be read.
    """
    if not point.is_pinned:
        return table
    with damage(f"the pinned state {point.metadata_location}"), lake_failures():
        return StaticTable.from_metadata(point.metadata_location, dict(table.io.properties))


def retained_moments(policy: TablePolicy, now: datetime) -> list[datetime]:
    """Return the moments that a policy retains beyond the newest commits: full hours and midnights (UTC), oldest
    first.
    """
    hour = full_hour(now)
    midnight = hour.replace(hour=0)
    hours = {hour - timedelta(hours=back) for back in range(policy.keep_hours + 1)}
    days = {midnight - timedelta(days=back) for back in range(policy.keep_days + 1)}
    return sorted(moment for moment in (hours if policy.keep_hours else set()) | (days if policy.keep_days else set()))


def surplus_points(points: Sequence[Point], policy: TablePolicy, now: datetime) -> list[Point]:
    """Return the pinned states that the policy no longer retains."""
    needed: set[str] = set()
    for moment in retained_moments(policy, now):
        holding = [point for point in points if point.holds(moment)]
        if holding:
            # If a state has two pins, keep the one with the later end, which covers more moments.
            needed.add(max(holding, key=lambda point: (point.sequence_number, point.until)).metadata_location)
    return [point for point in points if point.metadata_location not in needed]


def _nearest(points: Sequence[Point], moment: datetime) -> str:
    before = [point for point in points if point.committed_at <= moment]
    after = [point for point in points if point.committed_at > moment]
    parts = []
    if before:
        end = before[-1].until or before[-1].committed_at
        parts.append(f"the last readable moment before it is {end.isoformat()}")
    if after:
        parts.append(f"the next readable moment is {after[0].committed_at.isoformat()}")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}. `foss history` lists all states."


def short_uuid(table: Table) -> str:
    """Return a short form of the table's UUID. In the name of a pinned file, it distinguishes tables in the same
    folder.
    """
    return table.metadata.table_uuid.hex[:8]


def full_hour(moment: datetime) -> datetime:
    """Return the full hour (UTC) that contains a moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
