"""Expiring snapshots outside the policy, after pinning the states that the policy retains.

This module enforces the limit on live snapshots. See `lake.snapshots.pins` for pinning a state, and
`lake.maintenance` for deleting files.
"""

from datetime import UTC, datetime

from pyiceberg.table import Table, Transaction
from pyiceberg.table.update.snapshot import ExpireSnapshots

from foss_platform.lake.connect.commit_order import not_before
from foss_platform.lake.snapshots.pins import pin_past_states
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS, policy_of

#: Maintenance is due if the number of snapshots exceeds the limit by this number. The platform's own commits never
# exceed the limit, but commits of other engines expire nothing.
SURPLUS_OVERDUE = 20


def surplus_snapshots(table: Table, coming: int = 0) -> list[int]:
    """Return the oldest snapshots beyond the number that the policy keeps live.

    Parameters
    ----------
    coming
        Number of snapshots that the commit in progress adds. They count as live.
    """
    keep = policy_of(table.properties, ".".join(table.name())).keep_commits
    protected = {reference.snapshot_id for reference in table.metadata.refs.values()}
    oldest_first = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    free = [snapshot.snapshot_id for snapshot in oldest_first if snapshot.snapshot_id not in protected]
    # `keep - 1`, because the current snapshot is one of the kept ones and is protected as the branch's head.
    room = min(keep - 1, MAX_LIVE_SNAPSHOTS - len(protected)) - coming
    return free[: max(0, len(free) - max(0, room))]


def expire_surplus(transaction: Transaction, table: Table, coming: int = 0) -> None:
    """Expire surplus snapshots in a transaction on `table`, after pinning the states that the policy retains.

    Raises
    ------
    OSError
        If the store refuses.
    """
    expired = surplus_snapshots(table, coming)
    if expired:
        policy = policy_of(table.properties, ".".join(table.name()))
        pin_past_states(table, set(expired), policy, not_before(table.metadata, datetime.now(UTC)))
        ExpireSnapshots(transaction).by_ids(expired).commit()
