"""Letting go of snapshots: which of them the policy keeps no longer, and what must be pinned of them first.

What belongs here: the limit on live snapshots. What does not: how a state is pinned (`lake.snapshots.pins`), or removing files.
"""

from datetime import UTC, datetime

from pyiceberg.table import Table, Transaction
from pyiceberg.table.update.snapshot import ExpireSnapshots

from foss_platform.lake.connect.commit_order import not_before
from foss_platform.lake.snapshots.pins import pin_past_states
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS, policy_of

#: So many more snapshots than are kept call for care: none of ours are, but other engines expire nothing.
SURPLUS_OVERDUE = 20


def surplus_snapshots(table: Table, coming: int = 0) -> list[int]:
    """The oldest snapshots, without which as many stay live as the policy keeps.

    Parameters
    ----------
    coming
        Snapshots of a commit that is being made, which count already.
    """
    keep = policy_of(table.properties, ".".join(table.name())).keep_commits
    protected = {reference.snapshot_id for reference in table.metadata.refs.values()}
    oldest_first = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    free = [snapshot.snapshot_id for snapshot in oldest_first if snapshot.snapshot_id not in protected]
    # the current snapshot is protected as the branch's head and is one of those to keep
    room = min(keep - 1, MAX_LIVE_SNAPSHOTS - len(protected)) - coming
    return free[: max(0, len(free) - max(0, room))]


def expire_surplus(transaction: Transaction, table: Table, coming: int = 0) -> None:
    """Expire them in the transaction, which began with `table`; what is promised of them is pinned right now.

    Raises
    ------
    OSError
        When the store refuses.
    """
    expired = surplus_snapshots(table, coming)
    if expired:
        policy = policy_of(table.properties, ".".join(table.name()))
        pin_past_states(table, set(expired), policy, not_before(table.metadata, datetime.now(UTC)))
        ExpireSnapshots(transaction).by_ids(expired).commit()
