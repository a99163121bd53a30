"""Staging a change: writes its data files, manifests and metadata, which no reader sees before the switch."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.update import AddSnapshotUpdate

from foss_platform.lake.commit.cached_transaction import CachedTransaction
from foss_platform.lake.commit.change import Change
from foss_platform.lake.connect.staged import Staged, staging
from foss_platform.lake.files.data_files import FULL_ROWS_PROPERTY, DataFiles, rows_outside, write_data_files
from foss_platform.lake.files.row_deletes import replacement
from foss_platform.lake.snapshots.expiry import expire_surplus
from foss_platform.lake.snapshots.pins import pinnable_hour
from foss_platform.lake.table.positions import build_properties


@dataclass(frozen=True)
class StagedChange:
    """A change whose files are written.

    Attributes
    ----------
    staged
        The part that the catalog commits.
    files
        The data files that were written for the change.
    pin_at
        The full hour for which the state that the change replaces must be pinned. None if there is none.
    """

    staged: Staged
    files: Sequence[DataFile] = ()
    pin_at: datetime | None = None


def stage_change(catalog: Catalog, table: Table, change: Change) -> StagedChange | None:
    """Write all files of the change. Return None if it changes nothing.

    Raises
    ------
    OSError
        If the store refuses.
    """
    files = change.files or _write(table, change)
    transaction = CachedTransaction(table)
    if properties := {**full_rows_property(files.added, change), **change.properties}:
        transaction.set_properties(properties)
    if change.forgets:
        transaction.remove_properties(*change.forgets)
    if change.alter is not None:
        change.alter(table, transaction)
    pin_at = None
    if files.added or files.removed:
        expire_surplus(transaction, table, coming=1)
        _stage_snapshot(transaction, table, files, change)
        # The snapshot's time is known now, and with it the hour for which the current state must be pinned.
        snapshot = transaction.table_metadata.current_snapshot()
        if snapshot is not None:
            pin_at = pinnable_hour(table, datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC))
    if not transaction.updates:
        return None
    staged = staging(catalog).stage(table, transaction.requirements, transaction.updates)
    return StagedChange(staged, files.added if change.files is None else (), pin_at)


def discard(change: StagedChange) -> None:
    """Delete the files of a change that was certainly not committed. Maintenance deletes those that cannot be deleted
    now.
    """
    staged = change.staged
    io = staged.base.io
    paths = [data_file.file_path for data_file in change.files]
    if staged.table is not None and staged.table is not staged.base:
        paths.append(staged.table.metadata_location)
    for update in staged.updates:
        if isinstance(update, AddSnapshotUpdate):
            snapshot = update.snapshot
            with suppress(OSError):
                manifests = snapshot.manifests(io)
                paths += [m.manifest_path for m in manifests if m.added_snapshot_id == snapshot.snapshot_id]
            paths.append(snapshot.manifest_list)
    for path in paths:
        with suppress(OSError):
            io.delete(path)


def _write(table: Table, change: Change) -> DataFiles:
    added = write_data_files(table, change.rows) if change.rows is not None else []
    if change.replaces is None or table.current_snapshot() is None:
        return DataFiles(added=added)
    kept, removed = rows_outside(table, change.replaces)
    return DataFiles(added=added + write_data_files(table, kept), removed=removed)


def full_rows_property(added: Sequence[DataFile], change: Change) -> dict[str, str]:
    """Return the table property with the row count of a full file, with which compaction skips such files. Empty if no
    file was full.
    """
    beside_others = change.replaces is not None and change.replaces.column is not None
    if change.rows is None or beside_others or len(added) < 2:
        return {}
    return {FULL_ROWS_PROPERTY: str(added[0].record_count)}


def _stage_snapshot(transaction: CachedTransaction, table: Table, files: DataFiles, change: Change) -> None:
    # The snapshot's summary records the positions of its rows, so that a rollback to the snapshot can also restore the
    # positions in the table's properties.
    standing = {name: value for name, value in table.properties.items() if name not in change.forgets}
    contained = build_properties({**standing, **change.properties})
    summary = {**contained, **change.summary}
    # One overwrite snapshot, instead of the delete and append snapshots of PyIceberg's `overwrite`. Time travel could
    # read the first of these two, which contains neither the old rows nor the new ones.
    producer = (
        replacement(transaction, table, files.removed, summary)
        if files.removed
        else transaction.update_snapshot(snapshot_properties=summary).merge_append()
    )
    for data_file in files.added:
        producer.append_data_file(data_file)
    producer.commit()
