"""Committing to a table, including the compaction and expiry that become due with the commit.

Every append of the platform uses `commit_changes`. `maintain_after_commit` does the same maintenance after a commit of
another engine. See `lake.commit.commit_with_retry` for the changes, and `lake.maintenance.maintain` for maintenance
that takes long or deletes files.
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import FossError
from foss_platform.lake.commit.change import Change, Plan, TableChange
from foss_platform.lake.commit.commit_with_retry import alter, apply_changes
from foss_platform.lake.maintenance.compaction import compact, is_due
from foss_platform.lake.maintenance.expire import expire
from foss_platform.lake.maintenance.log import MAINTENANCE_LOG, Action, Maintenance, log_maintenance
from foss_platform.lake.snapshots.expiry import surplus_snapshots
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS
from foss_platform.lake.table.tables import find_table, load_table

__all__ = ["Change", "TableChange", "alter", "commit", "commit_changes", "maintain_after_commit"]

#: The largest number of rows that are merged after a commit, which takes 0.2 s. The maintenance job merges larger
#: groups.
_CHEAP_ROWS = 100_000

#: After commits of another engine, surplus snapshots expire when there are this many. A separate commit for each was
#: slow.
_SURPLUS = 10

_logger = logging.getLogger(__name__)


def commit(catalog: Catalog, name: TableName, plan: Plan) -> Table:
    """As `commit_changes`, for one table."""
    return commit_changes(catalog, [TableChange(name, plan)])[name]


def commit_changes(catalog: Catalog, changes: Sequence[TableChange]) -> dict[TableName, Table]:
    """Commit all changes or none, as `commit_with_retry.apply_changes` does. Then merge the small files of each table
    that has enough of them.

    Returns
    -------
    Each table after the commit and the merge.

    Raises
    ------
    TransientError
        If other commits were first in every try, or the store or catalog failed. Nothing was committed then. If only
        a merge fails, no error is raised, and the next commit tries to merge again.
    """
    committed = apply_changes(catalog, changes)
    return {name: _compacted_if_due(catalog, name, table) for name, table in committed.items()}


def _compacted_if_due(catalog: Catalog, name: TableName, table: Table) -> Table:
    try:
        if not is_due(table):
            return table
        _compact_and_log(catalog, name)
    except FossError as error:
        _logger.warning("The files of %s could not be merged now: %s", name, error)
        return table
    return load_table(catalog, name)


def maintain_after_commit(catalog: Catalog, name: TableName, table: Table) -> None:
    """After a commit by another engine, do the maintenance that a commit of the platform includes.

    Other engines expire no snapshots, and do not pin the state that they replace. Most calls make no commit. A failure
    is only logged, because the next commit or the scheduled maintenance tries again.

    Parameters
    ----------
    table
        The table after the other engine's commit.
    """
    try:
        if is_due(table):
            # The commit of a merge also expires surplus snapshots.
            _compact_and_log(catalog, name)
        elif len(surplus_snapshots(table)) >= _SURPLUS or len(table.metadata.snapshots) > MAX_LIVE_SNAPSHOTS:
            expire(catalog, name)
    except FossError as error:
        _logger.warning("%s could not be maintained after another engine's commit: %s", name, error)


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
        # This compaction is not logged, because the log would then grow with each merge of the log.
        compact(catalog, MAINTENANCE_LOG, max_rows=_CHEAP_ROWS)
