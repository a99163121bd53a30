"""Pinning states of a table: the state that a commit replaces, and states that commits of other engines replaced.

This module decides for which hour a state is pinned, and what the pinned file contains. See `lake.snapshots.points`
for finding and choosing pinned states.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import pairwise

from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from foss_platform.lake.connect.commit_order import moment_of
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.snapshots.points import (
    METADATA_FOLDER,
    PINNED_PREFIX,
    Point,
    full_hour,
    live_points,
    retained_moments,
    short_uuid,
)
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.positions import build_properties


def pinnable_hour(table: Table, before: datetime) -> datetime | None:
    """Return the full hour for which a commit must pin the current state: the last one before the commit's time. None
    if the state did not exist at that hour.
    """
    if table.current_snapshot() is None:
        return None
    hour = full_hour(before - timedelta(milliseconds=1))
    return hour if _since(table) <= hour else None


def pin_state(table: Table, hour: datetime) -> Point:
    """Pin the current state before a commit, for a full hour at which it existed (`pinnable_hour`).

    Raises
    ------
    OSError
        If the store refuses.
    """
    snapshot = table.current_snapshot()
    assert snapshot is not None
    since, sequence = _since(table), snapshot.sequence_number or 0
    name = _pin_name(table, snapshot, since, hour)
    location = Storage(table).write_whole(name, _only(table.metadata, snapshot).encode())
    return Point(snapshot.snapshot_id, sequence, since, hour, location, is_pinned=True)


def pin_past_states(table: Table, snapshot_ids: Collection[int], policy: TablePolicy, now: datetime) -> None:
    """Before snapshots expire, pin those of their states that the policy retains.

    A commit of the platform pins the state that it replaces, but commits of other engines do not. Existing pins are not
    replaced: a pin written later contains only the positions that are recorded in the snapshot itself.

    Raises
    ------
    OSError
        If the store refuses.
    """
    ending = [
        (point, full_hour(point.until))
        for point, following in pairwise(live_points(table))
        if point.until is not None
        and full_hour(point.until) >= point.committed_at
        # Also if the next snapshot expires: a tagged snapshot remains, but the end of its state would be unknown.
        and not {point.snapshot_id, following.snapshot_id}.isdisjoint(snapshot_ids)
    ]
    if not ending:
        return
    promised, storage = retained_moments(policy, now), Storage(table)
    for point, hour in ending:
        snapshot = table.snapshot_by_id(point.snapshot_id)
        assert snapshot is not None
        name = _pin_name(table, snapshot, point.committed_at, hour)
        is_promised = any(point.committed_at <= moment <= hour for moment in promised)
        if is_promised and storage.missing([f"{storage.root}/{name}"]):
            storage.write_whole(name, _only(_as_of(table.metadata, snapshot), snapshot).encode())


def _pin_name(table: Table, snapshot: Snapshot, since: datetime, hour: datetime) -> str:
    state = f"{_milliseconds(since)}-{snapshot.sequence_number or 0}-{snapshot.snapshot_id}-{short_uuid(table)}"
    return f"{METADATA_FOLDER}/{PINNED_PREFIX}{hour:%Y%m%dT%H}Z-{state}.metadata.json"


def _as_of(metadata: TableMetadata, snapshot: Snapshot) -> TableMetadata:
    """Return the metadata as if an older snapshot were current, with the positions recorded in that snapshot."""
    contained = build_properties(snapshot.summary.additional_properties) if snapshot.summary is not None else {}
    others = {
        key: value for key, value in metadata.properties.items() if key not in build_properties(metadata.properties)
    }
    return metadata.model_copy(
        update={
            "current_snapshot_id": snapshot.snapshot_id,
            "current_schema_id": metadata.current_schema_id if snapshot.schema_id is None else snapshot.schema_id,
            "last_sequence_number": snapshot.sequence_number,
            "properties": {**others, **contained},
            "refs": {"main": metadata.refs["main"].model_copy(update={"snapshot_id": snapshot.snapshot_id})},
        }
    )


def _only(metadata: TableMetadata, snapshot: Snapshot) -> str:
    """Return the metadata with the current snapshot only, so that it does not refer to files of other snapshots."""
    log = [entry for entry in metadata.snapshot_log if entry.snapshot_id == snapshot.snapshot_id]
    return metadata.model_copy(
        update={
            "snapshots": [snapshot],
            "snapshot_log": log[-1:],
            "metadata_log": [],
            "refs": {name: ref for name, ref in metadata.refs.items() if name == "main"},
            "statistics": [file for file in metadata.statistics if file.snapshot_id == snapshot.snapshot_id],
            "partition_statistics": [
                file for file in metadata.partition_statistics if file.snapshot_id == snapshot.snapshot_id
            ],
        }
    ).model_dump_json(by_alias=True, exclude_none=True)


def _since(table: Table) -> datetime:
    """Return when the current snapshot became the table's state. This may be later than its commit, because a rollback
    can make an older snapshot current.
    """
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return moment_of(max([snapshot.timestamp_ms, *(entry.timestamp_ms for entry in table.history()[-1:])]))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
