"""Maintaining a table: compact small files, expire snapshots outside the policy, and delete unreferenced files.

This module defines the order of these operations and writes their log rows. If a run is interrupted at any point, the
table is readable, and the next run does the remaining work.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyiceberg.catalog import Catalog

from foss_platform.lake.files.table_files import StoredFile
from foss_platform.lake.maintenance.compaction import Compaction, compact
from foss_platform.lake.maintenance.expire import expire
from foss_platform.lake.maintenance.log import MAINTENANCE_LOG, Action, Maintenance, log_maintenance
from foss_platform.lake.maintenance.unreferenced_files import Removal, plan_removal, remove
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.snapshots.points import PINNED_PREFIX
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import policy_of
from foss_platform.lake.table.tables import load_table


@dataclass(frozen=True)
class TableMaintenance:
    """The maintenance of a table, done or planned.

    Attributes
    ----------
    compaction
        The result of the compaction. Empty in a dry run, because a compaction frees no space by itself.
    """

    name: TableName
    compaction: Compaction
    removal: Removal


def maintain(
    catalog: Catalog,
    name: TableName,
    now: datetime,
    *,
    trigger: str,
    older_than: timedelta | None = None,
    dry_run: bool = False,
    progress: Callable[[StoredFile], None] = lambda _: None,
) -> TableMaintenance:
    """Do all maintenance that a table needs now.

    Parameters
    ----------
    now
        The time from which retention is counted (UTC).
    trigger
        The origin of the request, for the log: `maintenance` or `command`.
    older_than
        How long an unreferenced file is retained, instead of the policy's value.
    dry_run
        Change nothing, and report what would be deleted.
    progress
        Called after each deleted file.

    Raises
    ------
    PermanentError
        If maintaining the table would be unsafe. None of its files are deleted then.
    TransientError
        If the store or catalog failed, or another writer changed the same files. The next run does the remaining work.
    """
    policy = policy_of(load_table(catalog, name).properties, str(name))
    if dry_run:
        return TableMaintenance(name, Compaction(), plan_removal(catalog, name, policy, now, older_than))
    require_own(catalog)
    began = time.monotonic()
    compaction = compact(catalog, name)
    if compaction.files_before:
        seconds, counts = time.monotonic() - began, (compaction.files_before, compaction.files_after)
        # Log the compaction now, because the deletion of files below may be refused.
        _log(catalog, Maintenance(str(name), Action.COMPACT, trigger, now, seconds, *counts, bytes_freed=0))
    # Commits of the platform, including a compaction, expire snapshots themselves. This call is for tables that only
    # other engines change.
    expire(catalog, name)
    began = time.monotonic()
    removal = plan_removal(catalog, name, policy, now, older_than)
    remove(catalog, name, removal, progress)
    if removal.files:
        points = sum(file.name.startswith(PINNED_PREFIX) for file in removal.files)
        detail = f"{points} pinned states outside the policy" if points else ""
        seconds = time.monotonic() - began
        counts = (len(removal.files), 0)
        _log(
            catalog,
            Maintenance(str(name), Action.REMOVE_FILES, trigger, now, seconds, *counts, removal.bytes, detail=detail),
        )
    return TableMaintenance(name, compaction, removal)


def _log(catalog: Catalog, done: Maintenance) -> None:
    # Maintenance of the log itself is not logged. Otherwise an idle lake would create files to delete forever.
    if done.table != str(MAINTENANCE_LOG):
        log_maintenance(catalog, [done])
