"""`ops.maintenance_log`: each maintenance of a table, with its time, duration and freed bytes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestamptzType

from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table

MAINTENANCE_LOG = TableName("ops", "maintenance_log")


class Action(StrEnum):
    """A kind of maintenance."""

    COMPACT = "compact"
    REMOVE_FILES = "remove_files"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Maintenance:
    """One row of the log.

    Attributes
    ----------
    trigger
        The origin of the request: `commit`, `maintenance` (the job) or `command`.
    files_before, files_after
        Number of data files before and after a compaction. For a deletion of unreferenced files, the number of deleted
        files and 0.
    bytes_freed
        Bytes deleted from the store. 0 for a compaction, because the replaced files are retained for a while.
    detail
        Details that the numbers do not show. For a failure, the reason.
    """

    table: str
    action: Action
    trigger: str
    started_at: datetime
    duration_seconds: float
    files_before: int
    files_after: int
    bytes_freed: int
    detail: str = ""


_SCHEMA = Schema(
    NestedField(1, "table", StringType(), required=True, doc="the maintained table"),
    NestedField(2, "action", StringType(), required=True, doc="compact, remove_files or rollback"),
    NestedField(
        3, "trigger", StringType(), required=True, doc="the origin of the request: commit, maintenance or command"
    ),
    NestedField(4, "started_at", TimestamptzType(), required=True, doc="start time"),
    NestedField(5, "duration_seconds", DoubleType(), required=True, doc="duration in seconds"),
    NestedField(6, "files_before", LongType(), required=True, doc="data files merged, or files deleted"),
    NestedField(7, "files_after", LongType(), required=True, doc="data files after the merge"),
    NestedField(8, "bytes_freed", LongType(), required=True, doc="bytes deleted from the store"),
    NestedField(9, "detail", StringType(), required=True, doc="details that the numbers do not show"),
)


def maintenance_log_spec() -> TableSpec:
    """Return the specification of the log table."""
    return TableSpec(
        MAINTENANCE_LOG,
        _SCHEMA,
        "Maintenance of each table, with its duration and the freed bytes.",
        key=("table", "action", "started_at"),
        cluster_by="started_at",
    )


def log_maintenance(catalog: Catalog, done: Sequence[Maintenance]) -> None:
    """Add rows to the log, in one commit.

    Raises
    ------
    TransientError
        If the store or catalog failed.
    """
    if not done:
        return
    ensure_table(catalog, maintenance_log_spec())
    rows = [asdict(row) for row in done]
    apply_change(
        catalog, MAINTENANCE_LOG, lambda table: Change(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    )
