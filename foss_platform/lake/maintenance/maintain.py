"""Caring for a table: merge small files, let go of what no promise needs, remove what nothing refers to.

What belongs here: the order of these steps and what is logged of them. What does not: how each works, or
what asks for it (a schedule, a check, `foss cleanup`). A run that ends anywhere leaves a table that can be
read, and the next run does what is left.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyiceberg.catalog import Catalog

from foss_platform.lake.files.table_files import StoredFile
from foss_platform.lake.maintenance.compaction import Compaction, compact
from foss_platform.lake.maintenance.expire_snapshots import expire
from foss_platform.lake.maintenance.log import MAINTENANCE_LOG, Action, Maintenance, log_maintenance
from foss_platform.lake.maintenance.removal import Removal, plan_removal, remove
from foss_platform.lake.ownership.ownership import require_own
from foss_platform.lake.snapshots.points import PINNED_PREFIX
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import policy_of
from foss_platform.lake.table.tables import load_table


@dataclass(frozen=True)
class TableMaintenance:
    """What was done to a table, or would be.

    Attributes
    ----------
    compaction
        Of a dry run what a compaction would merge is not worked out; it frees nothing by itself.
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
    spare: timedelta | None = None,
    dry_run: bool = False,
    progress: Callable[[StoredFile], None] = lambda _: None,
) -> TableMaintenance:
    """Do all the maintenance that a table needs now.

    Parameters
    ----------
    now
        From which moment promises and spared times count (UTC).
    trigger
        What asked for it, for the log: `maintenance` or `command`.
    spare
        Instead of the policy's: how long a file that nothing refers to is spared.
    dry_run
        Change nothing; tell what would go.
    progress
        Called after each file that is gone.

    Raises
    ------
    LastingError
        When the table cannot be cared for without risk; nothing of it is removed then.
    PassingError
        When the store, the catalog or another writer was in the way; the next run does what is left.
    """
    policy = policy_of(load_table(catalog, name).properties, str(name))
    if dry_run:
        return TableMaintenance(name, Compaction(), plan_removal(catalog, name, policy, now, spare))
    require_own(catalog)
    began = time.monotonic()
    compaction = compact(catalog, name)
    if compaction.files_before:
        seconds, counts = time.monotonic() - began, (compaction.files_before, compaction.files_after)
        # before the removal, which may be refused
        _log(catalog, Maintenance(str(name), Action.COMPACT, trigger, now, seconds, *counts, bytes_freed=0))
    # after the merge, whose commit does the same; of what only other engines commit to, this is what expires
    expire(catalog, name)
    began = time.monotonic()
    removal = plan_removal(catalog, name, policy, now, spare)
    remove(catalog, name, removal, progress)
    if removal.files:
        points = sum(file.name.startswith(PINNED_PREFIX) for file in removal.files)
        detail = f"{points} points that no promise needs any longer" if points else ""
        seconds = time.monotonic() - began
        counts = (len(removal.files), 0)
        _log(
            catalog,
            Maintenance(str(name), Action.REMOVE_FILES, trigger, now, seconds, *counts, removal.bytes, detail=detail),
        )
    return TableMaintenance(name, compaction, removal)


def _log(catalog: Catalog, done: Maintenance) -> None:
    # the care of the log itself is not logged, or an idle lake would write its own garbage for ever
    if done.table != str(MAINTENANCE_LOG):
        log_maintenance(catalog, [done])
