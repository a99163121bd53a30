"""`ops.maintenance_log`: what was done to which table, when, how long it took, what it freed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestamptzType

from foss_platform.lake.commit.changes import Change, apply_change
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table

MAINTENANCE_LOG = TableName("ops", "maintenance_log")


class Action(StrEnum):
    """What maintenance does to a table."""

    COMPACT = "compact"
    REMOVE_FILES = "remove_files"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Maintenance:
    """One row of the log.

    Attributes
    ----------
    trigger
        What asked for it: `commit`, `maintenance` (the job) or `command`.
    files_before, files_after
        Data files of a compaction; for a removal the files that went, and 0.
    bytes_freed
        Bytes that no longer lie in the store; of a compaction none, since what it replaced is spared first.
    detail
        In words, what the numbers do not say; for a failure, why.
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
    NestedField(1, "table", StringType(), required=True, doc="what was cared for"),
    NestedField(2, "action", StringType(), required=True, doc="compact, remove_files or rollback"),
    NestedField(3, "trigger", StringType(), required=True, doc="what asked for it: commit, maintenance or command"),
    NestedField(4, "started_at", TimestamptzType(), required=True, doc="when it began"),
    NestedField(5, "duration_seconds", DoubleType(), required=True, doc="how long it took"),
    NestedField(6, "files_before", LongType(), required=True, doc="data files merged, or files removed"),
    NestedField(7, "files_after", LongType(), required=True, doc="data files that came of them"),
    NestedField(8, "bytes_freed", LongType(), required=True, doc="bytes that no longer lie in the store"),
    NestedField(9, "detail", StringType(), required=True, doc="what the numbers do not say"),
)


def maintenance_log_spec() -> TableSpec:
    """The table of the log."""
    return TableSpec(
        MAINTENANCE_LOG,
        _SCHEMA,
        "What maintenance did to which table, how long it took and what it freed.",
        key=("table", "action", "started_at"),
        cluster_by="started_at",
    )


def log_maintenance(catalog: Catalog, done: Sequence[Maintenance]) -> None:
    """Add rows to the log, in one commit.

    Raises
    ------
    PassingError
        When the store or catalog failed.
    """
    if not done:
        return
    ensure_table(catalog, maintenance_log_spec())
    rows = [asdict(row) for row in done]
    apply_change(
        catalog, MAINTENANCE_LOG, lambda table: Change(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    )
