"""The commit that last changed a table's rows."""

from pyiceberg.table import Table

#: Key in a snapshot's summary: the kind of maintenance that created the snapshot. Such a snapshot has the same rows
# as its parent.
MAINTENANCE_SUMMARY = "foss.maintenance"


def snapshot_of_rows(table: Table, snapshot_id: int | None) -> int | None:
    """Return the id of the snapshot that last changed the rows of a snapshot: the snapshot itself or, if maintenance
    created it, its nearest ancestor that maintenance did not create.

    Two snapshots with the same result contain the same rows. The returned snapshot may have expired. None if the table
    never had rows.
    """
    while snapshot_id is not None and (snapshot := table.snapshot_by_id(snapshot_id)) is not None:
        if snapshot.summary is None or MAINTENANCE_SUMMARY not in snapshot.summary.additional_properties:
            break
        snapshot_id = snapshot.parent_snapshot_id
    return snapshot_id


def holds_rows_of(table: Table, snapshot_id: int | None) -> bool:
    """Whether the table's current rows are still those of a snapshot. Compactions do not change rows."""
    return snapshot_of_rows(table, table.metadata.current_snapshot_id) == snapshot_of_rows(table, snapshot_id)
