"""What Iceberg's Java library asks of the times in a table's metadata before it opens the table.

By the constructor of `org.apache.iceberg.TableMetadata` (1.10): both logs ascend and do not pass the last update,
each with a tolerance of one minute. Rust and Go have taken the same rules over.
"""

from collections.abc import Sequence
from itertools import pairwise

from pyiceberg.table.metadata import TableMetadata

_ONE_MINUTE = 60_000


def refusals(metadata: TableMetadata) -> list[str]:
    """Why Java would not open the table; empty if it would."""
    found = []
    logs = {
        "snapshot log": [entry.timestamp_ms for entry in metadata.snapshot_log],
        "metadata log": [entry.timestamp_ms for entry in metadata.metadata_log],
    }
    for name, times in logs.items():
        if any(later - earlier < -_ONE_MINUTE for earlier, later in pairwise(times)):
            found.append(f"[BUG] Expected sorted {name} entries.")
        if times and metadata.last_updated_ms - times[-1] < -_ONE_MINUTE:
            found.append(
                f"Invalid update timestamp {metadata.last_updated_ms}: before last {name} entry at {times[-1]}"
            )
    return found


def is_strictly_ordered(metadata: TableMetadata) -> bool:
    """Whether each commit that the metadata knows is newer than the one before it, without any tolerance."""
    snapshots = sorted(metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    return (
        _ascends([snapshot.timestamp_ms for snapshot in snapshots])
        and _ascends([entry.timestamp_ms for entry in metadata.snapshot_log])
        and _ascends([*(entry.timestamp_ms for entry in metadata.metadata_log), metadata.last_updated_ms])
    )


def _ascends(times: Sequence[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(times))
