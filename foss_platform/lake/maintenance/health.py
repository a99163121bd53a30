"""The health of a table from its metadata, and the maintenance that it needs.

Reads the table's metadata and manifests. It reads no data and lists no files, so it takes some milliseconds for a table
of any size.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.manifest import DataFileContent
from pyiceberg.table import Table

from foss_platform.lake.connect.commit_order import TOLERATED_SECONDS, seconds_behind
from foss_platform.lake.files.data_files import FULL_ROWS_PROPERTY
from foss_platform.lake.files.row_deletes import covering
from foss_platform.lake.snapshots.expiry import SURPLUS_OVERDUE, surplus_snapshots
from foss_platform.lake.snapshots.points import live_points
from foss_platform.lake.store.failures import damage, lake_failures
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS, policy_of
from foss_platform.lake.table.statistics import table_size

# A compaction is overdue if the number of small files is this multiple of the number that triggers a compaction. It is
# normal that each of the newest eight days has just fewer files than the trigger.
_OVERDUE = 10
_MANIFESTS = 200


@dataclass(frozen=True)
class TableHealth:
    """The state of a table's files and history.

    Attributes
    ----------
    small_files
        Number of data files that are smaller than the policy's limit.
    metadata_bytes
        Size of the metadata file that every commit reads and writes.
    oldest_live
        The commit time of the oldest live state. Pinned states may be older.
    needs
        The maintenance that the table needs, in words. Empty if it needs none.
    """

    rows: int
    data_files: int
    data_bytes: int
    small_files: int
    delete_files: int
    live_snapshots: int
    tags: int
    manifests: int
    metadata_bytes: int
    oldest_live: datetime | None
    needs: tuple[str, ...]

    @property
    def average_file_bytes(self) -> int:
        """The mean size of a data file."""
        return self.data_bytes // self.data_files if self.data_files else 0

    @property
    def small_share(self) -> float:
        """The share of small files among the data files."""
        return self.small_files / self.data_files if self.data_files else 0.0


def table_health(table: Table) -> TableHealth:
    """Determine the health of a table.

    Raises
    ------
    ConfigurationError
        If its policy is invalid.
    PermanentError
        If its metadata is damaged.
    TransientError
        If the store does not answer.
    """
    with damage(".".join(table.name())), lake_failures():
        return _look(table)


def _needs_for_deletes(table: Table, deletes: int, many: int) -> list[str]:
    used = frozenset[str]().union(*covering(table.scan().plan_files()).values())
    if len(used) < deletes:
        return [f"{deletes - len(used)} delete files remain without their data files, so DuckDB may fail to read it"]
    return [f"{deletes} delete files slow down every read: run `foss cleanup`"] if deletes >= many else []


def _look(table: Table) -> TableHealth:
    policy = policy_of(table.properties, ".".join(table.name()))
    size = table_size(table)
    full_rows = int(table.properties.get(FULL_ROWS_PROPERTY, 0))
    small = deletes = equality = manifests = 0
    snapshot = table.current_snapshot()
    for manifest in snapshot.manifests(table.io) if snapshot is not None else ():
        manifests += 1
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            file = entry.data_file
            if file.content != DataFileContent.DATA:
                deletes += 1
                equality += file.content == DataFileContent.EQUALITY_DELETES
            elif file.file_size_in_bytes < policy.small_file_bytes and not 0 < full_rows / 2 <= file.record_count:
                small += 1
    tags = sum(reference.snapshot_ref_type == "tag" for reference in table.metadata.refs.values())
    live = len(table.metadata.snapshots)
    needs = []
    if small >= _OVERDUE * policy.compact_at_files:
        needs.append(f"{small} small files wait to be merged")
    if equality:
        needs.append(
            f"{equality} files of equality deletes cannot be applied: rewrite the table with the engine that wrote them"
        )
    elif deletes:
        needs += _needs_for_deletes(table, deletes, policy.compact_at_files)
    surplus = len(surplus_snapshots(table))
    if surplus >= SURPLUS_OVERDUE:
        needs.append(f"{surplus} snapshots are outside the policy and wait to expire")
    if live > MAX_LIVE_SNAPSHOTS:
        remedy = ": remove tags" if tags else ""
        needs.append(f"{live} live snapshots ({tags} tagged) slow down every commit{remedy}")
    if manifests > _MANIFESTS:
        needs.append(f"{manifests} manifests slow down every read")
    behind = seconds_behind(table.metadata, datetime.now(UTC))
    if behind > TOLERATED_SECONDS:
        needs.append(
            f"this machine's clock is {behind:,.0f} s behind the table's newest commit: synchronize the clock, e.g. "
            "with NTP"
        )
    points = live_points(table)
    return TableHealth(
        rows=size.rows,
        data_files=size.data_files,
        data_bytes=size.data_bytes,
        small_files=small,
        delete_files=deletes,
        live_snapshots=live,
        tags=tags,
        manifests=manifests,
        metadata_bytes=len(table.metadata.model_dump_json(by_alias=True, exclude_none=True)),
        oldest_live=points[0].committed_at if points else None,
        needs=tuple(needs),
    )
