"""Compaction: merging small data files into larger ones, with the rows sorted by the data's time. No row changes.

Files of the newest week are merged per day, so that an increment that replaces the rows of a recent day rewrites
little. Older files are merged across days, up to the target size. The table's policy defines which files are small and
how many trigger a compaction. Files with row deletes are always included: a commit that replaces files drops all delete
files of the table (`lake.files.row_deletes`), so the deleted rows of a file left out would reappear.

See `lake.maintenance.maintain` for when a compaction runs.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.types import DateType, PrimitiveType

from foss_platform.errors import PermanentError, TransientError
from foss_platform.lake.commit.commit_with_retry import Change, apply_change, sync_properties
from foss_platform.lake.connect.duckdb_session import open_duckdb
from foss_platform.lake.files.data_files import FULL_ROWS_PROPERTY, DataFiles, rows_of, write_data_files
from foss_platform.lake.files.row_deletes import all_delete_files, covering
from foss_platform.lake.snapshots.lineage import MAINTENANCE_SUMMARY
from foss_platform.lake.store.failures import damage, lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy, policy_of
from foss_platform.lake.table.quoting import quote_name
from foss_platform.lake.table.tables import CLUSTER_PROPERTY, key_of, load_table

#: Table property set by a compaction: the number of data and delete files after it. With this number, a commit can
# count the files added since then without reading manifests.
COMPACTED_FILES_PROPERTY = "foss.compacted.files"

#: Number of newest days of data whose files are merged only within their day.
_RECENT_DAYS = 7
_MEMORY = "1GB"
_BATCH_ROWS = 122_880
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Compaction:
    """The result of a compaction: files before and after, with their rows and bytes."""

    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


def is_due(table: Table) -> bool:
    """Whether enough files were added since the last compaction. Uses only the snapshot's summary."""
    snapshot = table.current_snapshot()
    if snapshot is None or snapshot.summary is None:
        return False
    totals = snapshot.summary.additional_properties
    files = int(totals.get("total-data-files", 0)) + int(totals.get("total-delete-files", 0))
    left = int(table.properties.get(COMPACTED_FILES_PROPERTY, 0))
    # `min`, because a replacement may have left fewer files than the compaction did.
    return files - min(left, files) >= policy_of(table.properties, ".".join(table.name())).compact_at_files


def compact(catalog: Catalog, name: TableName, *, everything: bool = False, max_rows: int | None = None) -> Compaction:
    """Merge the small files of each group that has enough small files. Makes one commit or none.

    Parameters
    ----------
    everything
        Merge every group of at least two small files.
    max_rows
        Skip groups with more rows. The limit counts rows and not bytes, because a megabyte may contain 400,000 rows.
        If a file of a skipped group has row deletes, nothing is merged.

    Raises
    ------
    TransientError
        If another commit removed files during the merge. Nothing is changed then.
    PermanentError
        If the table has equality deletes.
    """
    table = load_table(catalog, name)
    if table.current_snapshot() is None:
        return Compaction()
    policy = policy_of(table.properties, str(name))
    with damage(name), lake_failures():
        deletes = all_delete_files(table)
        tasks = list(table.scan().plan_files())
        groups = _groups(table, tasks, policy, 2 if everything else policy.compact_at_files)
        cheap = [
            group for group in groups if max_rows is None or sum(task.file.record_count for task in group) <= max_rows
        ]
        is_barred = not covering(tasks).keys() <= covering(task for group in cheap for task in group).keys()
        old = [] if is_barred else [task for group in cheap for task in group]
        if is_barred or not (old or deletes):
            # Record the number of files. Otherwise every later commit would look for files to merge again.
            sync_properties(catalog, name, table, {COMPACTED_FILES_PROPERTY: str(len(tasks) + len(deletes))})
            return Compaction()
        written = [_rewrite(table, group) for group in cheap]
        new = [data_file for files in written for data_file in files]
        done = Compaction(
            len(old),
            len(new),
            sum(file.record_count for file in new),
            sum(task.file.file_size_in_bytes for task in old),
            sum(file.file_size_in_bytes for file in new),
        )
        # If the swap fails, it may be unknown whether it was committed. The new files are therefore not deleted. If
        # nothing refers to them, maintenance deletes them later.
        _refuse_other_rows(name, old, done)
        full = [file.record_count for files in written for file in files[:-1]]
        left = {COMPACTED_FILES_PROPERTY: str(len(tasks) - len(old) + len(new))}
        _swap(catalog, name, old, new, {**left, **({FULL_ROWS_PROPERTY: str(min(full))} if full else {})})
    return done


def _refuse_other_rows(name: TableName, tasks: Sequence[FileScanTask], done: Compaction) -> None:
    """Raise if the row counts differ. If files have row deletes, the result may have fewer rows."""
    held = sum(task.file.record_count for task in tasks)
    if done.rows > held or (done.rows < held and not any(task.delete_files for task in tasks)):
        raise PermanentError(
            f"Merging files of {name} would change {held} rows to {done.rows}. Nothing was changed.",
            "Please report this. Until then, set foss.compact.at-files so high that no merge is tried.",
        )


def _swap(
    catalog: Catalog, name: TableName, old: Sequence[FileScanTask], new: Sequence[DataFile], properties: dict[str, str]
) -> None:
    paths, covered = {task.file.file_path for task in old}, covering(old)

    def plan(table: Table) -> Change:
        deletes = all_delete_files(table)
        tasks = list(table.scan().plan_files())
        standing = {task.file.file_path: task.file for task in tasks}
        # If another engine has deleted rows meanwhile, the new files still contain them.
        if not paths <= standing.keys() or covering(tasks) != covered:
            raise TransientError(
                f"Another commit replaced files of {name} during the merge. Nothing was changed.",
                "The next maintenance merges the remaining files.",
            )
        # If there are no data files to merge, the commit removes delete files whose data files no longer exist.
        removed = [standing[path] for path in sorted(paths)] or deletes
        return Change(
            files=DataFiles(list(new), removed), properties=properties, summary={MAINTENANCE_SUMMARY: "compact"}
        )

    apply_change(catalog, name, plan)


def _groups(
    table: Table, tasks: Sequence[FileScanTask], policy: TablePolicy, at_least: int
) -> list[list[FileScanTask]]:
    """Return the small files to merge, in groups: one per day for the newest days, and one for all older days."""
    full_rows = int(table.properties.get(FULL_ROWS_PROPERTY, 0))
    small = [task for task in tasks if task.delete_files or _is_small(task.file, policy, full_rows)]
    if len(small) < at_least and not any(task.delete_files for task in small):
        return []
    days = {id(task): _last_day(table, task.file) for task in tasks}
    newest = max((day for day in days.values() if day is not None), default=None)
    groups: dict[date | None, list[FileScanTask]] = {}
    for task in small:
        day = days[id(task)]
        settled = newest is None or day is None or (newest - day).days >= _RECENT_DAYS
        groups.setdefault(None if settled else day, []).append(task)
    return [
        group
        for day, group in groups.items()
        if len(group) >= _enough(day, newest, at_least) or any(task.delete_files for task in group)
    ]


def _enough(day: date | None, newest: date | None, at_least: int) -> int:
    """Return how many small files of a day trigger a merge. For a day that is over, a quarter of the usual number.

    Otherwise, the last few files of each of the newest days would stay separate for a week. Queries of a table with
    20,000 commits then took 1.7 times as long as queries of the same rows written at once.
    """
    if day is None:
        # The group of all older days, which is rewritten completely.
        return max(2, at_least // 4)
    return at_least if newest is None or day >= newest else 2


def _is_small(data_file: DataFile, policy: TablePolicy, full_rows: int) -> bool:
    if data_file.file_size_in_bytes >= policy.small_file_bytes:
        return False
    return full_rows == 0 or data_file.record_count < full_rows / 2


def _last_day(table: Table, data_file: DataFile) -> date | None:
    """Return the day (UTC) of the newest row in a file, from its statistics."""
    column = table.properties.get(CLUSTER_PROPERTY)
    if column is None or column not in table.schema().column_names:
        return None
    field = table.schema().find_field(column)
    bound = (data_file.upper_bounds or {}).get(field.field_id)
    if bound is None or not isinstance(field.field_type, PrimitiveType):
        return None
    value = cast(int, from_bytes(field.field_type, bound))
    # Iceberg's bounds are days since 1970 for a date, and microseconds for a timestamp.
    days = value if isinstance(field.field_type, DateType) else value // 86_400_000_000
    return _EPOCH + timedelta(days=days)


def _rewrite(table: Table, group: Sequence[FileScanTask]) -> list[DataFile]:
    """Write the rows of the files, sorted by the data's time. At most one new file is in memory at a time."""
    rows = rows_of(table, group, AlwaysTrue())
    order = [table.properties[CLUSTER_PROPERTY]] if CLUSTER_PROPERTY in table.properties else []
    order += [column for column in key_of(table) if column not in order and column in table.schema().column_names]
    if not order:
        return write_data_files(table, rows)
    # A separate DuckDB without extensions, which take 0.3 s to load. Rows beyond the memory limit are spilled to disk.
    with tempfile.TemporaryDirectory() as spill:
        return _sorted(table, rows, order, spill)


def _sorted(table: Table, rows: pa.RecordBatchReader, order: Sequence[str], spill: str) -> list[DataFile]:
    connection = open_duckdb({"memory_limit": _MEMORY, "temp_directory": spill})
    try:
        connection.register("merged_rows", rows)
        columns = ", ".join(quote_name(column) for column in order)
        ordered = connection.execute(f"select * from merged_rows order by {columns}").to_arrow_reader(_BATCH_ROWS)
        return write_data_files(table, ordered)
    except duckdb.Error as error:
        raise TransientError(
            f"Files of {'.'.join(table.name())} could not be merged: {_reason(error)}",
            "Nothing was changed, and the table is readable.",
        ) from error
    finally:
        connection.close()


def _reason(error: duckdb.Error) -> str:
    """Return the relevant line of an error. If a Python reader failed, this is the last line, after the traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1] if "Traceback" in str(error) else lines[0]
