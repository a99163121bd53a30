"""The moments at which a table can be read: its live snapshots, and the states that were pinned.

A live snapshot costs at every append, so few stay live. A state that was promised for longer is pinned:
its metadata, with this one snapshot in it, is written to a file of its own beside the table's metadata
before the commit that follows it. The file's name says which state it is and until when it stood, so that a
listing finds it, and any reader of Iceberg can open it by its path.

What belongs here: finding and choosing points. What does not: making them (`lake.snapshots.pins`), or removing files.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from pyiceberg.table import StaticTable, Table
from pyiceberg.table.snapshots import Snapshot

from foss_platform.errors import ConfigurationError, LastingError
from foss_platform.lake.connect.commit_order import moment_of
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.store.failures import damage, lake_failures
from foss_platform.lake.table.policy import TablePolicy

PINNED_PREFIX = "pinned-"
#: In a snapshot's summary: which engine made it, where Iceberg's Java library did; PyIceberg notes none.
ENGINE_SUMMARY = "engine-name"
_PINNED = re.compile(r"pinned-(\d{8}T\d{2})Z-(\d+)-(\d+)-(\d+)-([0-9a-f]{8})\.metadata\.json")
#: Where pinned states lie, below the table's location.
METADATA_FOLDER = "metadata"


@dataclass(frozen=True)
class Point:
    """A state of a table that can be read.

    Attributes
    ----------
    committed_at
        From when on it was the table's state (UTC, to the millisecond).
    until
        The last moment at which it is known to have been, of a live one the instant before the next commit; None
        where it still is.
    metadata_location
        The metadata file to read it from.
    is_pinned
        Whether it is read from a pinned file rather than as a live snapshot.
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
    """The pinned states, oldest first; by the listing alone, without reading them."""
    storage = Storage(table)
    with lake_failures():
        paths = [file.path for file in storage.list_files(METADATA_FOLDER)]
    points = []
    for path in paths:
        name = path.rpartition("/")[2]
        found = _PINNED.fullmatch(name) if path == f"{storage.root}/{METADATA_FOLDER}/{name}" else None
        # a table that was dropped and made anew in the same place left pins that are not this one's
        if found is not None and found[5] == short_uuid(table):
            hour = datetime.strptime(f"{found[1]}+0000", "%Y%m%dT%H%z")
            location = f"{storage.location}/{METADATA_FOLDER}/{name}"
            points.append(Point(int(found[4]), int(found[3]), moment_of(int(found[2])), hour, location, is_pinned=True))
    return sorted(points, key=lambda point: (point.committed_at, point.sequence_number, point.until))


def live_points(table: Table) -> list[Point]:
    """The live states, oldest first, by the table's own log of its current snapshots."""
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
        # where the next one's parent has expired, only the instant of the commit itself is known
        sequence = live[entry.snapshot_id].sequence_number or 0
        location = table.metadata_location
        points.append(Point(entry.snapshot_id, sequence, committed_at, until, location, is_pinned=False))
    return points


def _follows(later: Snapshot, earlier: Snapshot) -> bool:
    """Whether no other state lay between two that follow each other in the log."""
    if later.parent_snapshot_id is not None:
        return later.parent_snapshot_id == earlier.snapshot_id
    # what Trino's CREATE OR REPLACE makes has no parent, though it is the next in number
    engine = later.summary.additional_properties.get(ENGINE_SUMMARY) if later.summary is not None else None
    return engine is not None and later.sequence_number == (earlier.sequence_number or 0) + 1


def all_points(table: Table) -> list[Point]:
    """Every state that can be read, oldest first, each once."""
    chosen: dict[int, Point] = {point.snapshot_id: point for point in pinned_points(table)}
    for point in live_points(table):
        pinned = chosen.get(point.snapshot_id)
        if pinned is None or point.until is None or (pinned.until or point.until) <= point.until:
            chosen[point.snapshot_id] = point
    return sorted(chosen.values(), key=lambda point: (point.committed_at, point.sequence_number))


def point_at(table: Table, moment: datetime) -> Point:
    """The state of `table` at `moment`.

    Raises
    ------
    ConfigurationError
        If the moment is in the future.
    LastingError
        When that state is not kept, naming the nearest ones, or the table was empty then. It is never rounded.
    """
    points = all_points(table)
    name = ".".join(table.name())
    if not points:
        raise LastingError(f"{name} has never held a row, so there is no state of it to read.")
    # a commit may be ahead of a clock that was set back
    refuse_future(moment, points[-1].committed_at)
    holding = [point for point in points if point.holds(moment)]
    if holding:
        return holding[-1]
    if points[0].sequence_number == 1 and moment < points[0].committed_at:
        raise LastingError(
            f"{name} held no rows yet at {moment.isoformat()}.",
            f"The oldest moment that can be read is {points[0].committed_at.isoformat()}.",
        )
    raise LastingError(f"{name} is no longer kept as it was at {moment.isoformat()}.", _nearest(points, moment))


def refuse_future(moment: datetime, newest: datetime | None = None) -> None:
    """Refuse a moment that is later than the clock and than the newest commit.

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
    """The table as the point's metadata has it: its schema, properties and snapshot of then.

    Raises
    ------
    LastingError
        When the pinned file cannot be read.
    """
    if not point.is_pinned:
        return table
    with damage(f"the pinned state {point.metadata_location}"), lake_failures():
        return StaticTable.from_metadata(point.metadata_location, dict(table.io.properties))


def promised_moments(policy: TablePolicy, now: datetime) -> list[datetime]:
    """The moments that a policy promises beyond the newest commits: full hours and midnights (UTC), oldest first."""
    hour = full_hour(now)
    midnight = hour.replace(hour=0)
    hours = {hour - timedelta(hours=back) for back in range(policy.keep_hours + 1)}
    days = {midnight - timedelta(days=back) for back in range(policy.keep_days + 1)}
    return sorted(moment for moment in (hours if policy.keep_hours else set()) | (days if policy.keep_days else set()))


def surplus_points(points: Sequence[Point], policy: TablePolicy, now: datetime) -> list[Point]:
    """The pinned states that no promise needs any longer."""
    needed: set[str] = set()
    for moment in promised_moments(policy, now):
        holding = [point for point in points if point.holds(moment)]
        if holding:
            # of two pins of one state the longer one holds more moments
            needed.add(max(holding, key=lambda point: (point.sequence_number, point.until)).metadata_location)
    return [point for point in points if point.metadata_location not in needed]


def _nearest(points: Sequence[Point], moment: datetime) -> str:
    before = [point for point in points if point.committed_at <= moment]
    after = [point for point in points if point.committed_at > moment]
    parts = []
    if before:
        end = before[-1].until or before[-1].committed_at
        parts.append(f"the last moment before it that can be read is {end.isoformat()}")
    if after:
        parts.append(f"the next moment that can be read is {after[0].committed_at.isoformat()}")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}; `foss history` lists all of them."


def short_uuid(table: Table) -> str:
    """What the names of a table's pinned states bear, to tell them from another table's in the same place."""
    return table.metadata.table_uuid.hex[:8]


def full_hour(moment: datetime) -> datetime:
    """The full hour (UTC) that a moment lies in or on."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
