"""Which commit made a table's rows what they are. Not here: what follows where it is another than expected."""

from pyiceberg.table import Table

#: In a snapshot's summary: the kind of maintenance that made it, of which the rows are those of its parent.
MAINTENANCE_SUMMARY = "foss.maintenance"


def snapshot_of_rows(table: Table, snapshot_id: int | None) -> int | None:
    """The snapshot that brought the rows of a snapshot: itself, or where maintenance made it, its nearest ancestor.

    Two snapshots with the same one hold the same rows. It may have expired; None where there never was one.
    """
    while snapshot_id is not None and (snapshot := table.snapshot_by_id(snapshot_id)) is not None:
        if snapshot.summary is None or MAINTENANCE_SUMMARY not in snapshot.summary.additional_properties:
            break
        snapshot_id = snapshot.parent_snapshot_id
    return snapshot_id


def holds_rows_of(table: Table, snapshot_id: int | None) -> bool:
    """Whether the table's rows are still those of a snapshot: compactions since then change none."""
    return snapshot_of_rows(table, table.metadata.current_snapshot_id) == snapshot_of_rows(table, snapshot_id)
