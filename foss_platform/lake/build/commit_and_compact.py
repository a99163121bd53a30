"""Committing to a table that looks after itself: a change, and the compaction that it may have made necessary.

What belongs here: what every append does besides appending, for another engine's commit too. What does not: the
change itself (`lake.commit.changes`), or maintenance that takes long or deletes (`lake.maintenance.maintain`).
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import FossError
from foss_platform.lake.commit.changes import Change, alter, apply_change
from foss_platform.lake.maintenance.compaction import compact, is_due
from foss_platform.lake.maintenance.expire_snapshots import expire
from foss_platform.lake.maintenance.log import MAINTENANCE_LOG, Action, Maintenance, log_maintenance
from foss_platform.lake.snapshots.expiry import surplus_snapshots
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS
from foss_platform.lake.table.tables import find_table, load_table

__all__ = ["Change", "alter", "commit", "keep_up"]

#: A commit merges no more than this; larger groups are left to the maintenance job. So many rows take 0.2 s.
_CHEAP_ROWS = 100_000

#: So many snapshots that are kept no longer expire at once after another engine's commits: a commit each was dear.
_SURPLUS = 10

_logger = logging.getLogger(__name__)


def commit(catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None]) -> Table:
    """Change the table as `lake.commit.changes.apply_change` does, and merge its small files when there are enough.

    Parameters
    ----------
    plan
        Called with the table's current state; returns the change, or None when nothing is left to do.

    Returns
    -------
    The table as it stands after both.

    Raises
    ------
    PassingError
        When others kept winning, or the store or catalog failed. Nothing was committed then. A merge that
        fails is no failure of the commit: the next one tries again.
    """
    table = apply_change(catalog, name, plan)
    try:
        if not is_due(table):
            return table
        _compact_and_log(catalog, name)
    except FossError as error:
        _logger.warning("The files of %s could not be merged now: %s", name, error)
        return table
    return load_table(catalog, name)


def keep_up(catalog: Catalog, name: TableName, table: Table) -> None:
    """What a commit of ours does for a table besides, after one that another engine made: one commit now and then.

    That engine expires nothing, and pins no state that it ends. What fails is no failure of its commit: the next
    one tries again, or the scheduled care.

    Parameters
    ----------
    table
        The table after that commit.
    """
    try:
        if is_due(table):
            # the commit of a merge expires what is surplus
            _compact_and_log(catalog, name)
        elif len(surplus_snapshots(table)) >= _SURPLUS or len(table.metadata.snapshots) > MAX_LIVE_SNAPSHOTS:
            expire(catalog, name)
    except FossError as error:
        _logger.warning("%s could not be kept up after another engine's commit: %s", name, error)


def _compact_and_log(catalog: Catalog, name: TableName) -> None:
    started_at, began = datetime.now(UTC), time.monotonic()
    done = compact(catalog, name, max_rows=_CHEAP_ROWS)
    if not done.files_before:
        return
    seconds = time.monotonic() - began
    row = Maintenance(
        str(name), Action.COMPACT, "commit", started_at, seconds, done.files_before, done.files_after, bytes_freed=0
    )
    log_maintenance(catalog, [row])
    log = find_table(catalog, MAINTENANCE_LOG)
    if log is not None and is_due(log):
        # not logged itself, or the log would only grow by it
        compact(catalog, MAINTENANCE_LOG, max_rows=_CHEAP_ROWS)
