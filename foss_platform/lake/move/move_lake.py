"""Moving a lake: copying its current state into another catalog and store, so that polling continues there.

This module carries out a plan, table by table: create, copy, verify. See `lake.move.plan` for the plan,
`lake.move.copy` for copying a table, `lake.move.check` for the comparison, and `lake.move.target` for the target.
"""

from dataclasses import dataclass
from datetime import datetime

from pyiceberg.catalog import Catalog

from foss_platform.errors import PermanentError, TransientError
from foss_platform.lake.commit.commit_with_retry import sync_properties
from foss_platform.lake.move.check import Fingerprint, fingerprint, mismatch
from foss_platform.lake.move.copy import VERIFIED_PROPERTY, Phase, Progress, Step, copy_rows, disturbed, make_table
from foss_platform.lake.move.plan import MovePlan, MoveStatus, TableMove, has_later_commits
from foss_platform.lake.snapshots.points import live_points, pinned_points
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import find_table, load_table


@dataclass(frozen=True)
class LeftBehind:
    """A table's history that is not moved: the numbers of earlier live and pinned states, and their oldest moment."""

    name: TableName
    live: int
    pinned: int
    oldest: datetime | None


def move_tables(plan: MovePlan, source: Catalog, target: Catalog, progress: Progress) -> dict[TableName, Fingerprint]:
    """Carry out a plan, and return the fingerprints of the tables that this call has verified.

    Raises
    ------
    PermanentError
        If a copy differs from its source. The error names the table, and the copy is dropped from the target's catalog.
    TransientError
        If the source was changed meanwhile, or a catalog or store failed. Complete tables remain. A call
        with a new plan moves the others.
    """
    verified = {}
    for move in plan.tables:
        name = move.name
        if move.status is MoveStatus.COMPLETE:
            progress(Step(name, Phase.VERIFIED, move.size.data_files, move.size.rows))
            continue
        if move.status is MoveStatus.STALE:
            _drop_copy(target, name)
        if move.status in (MoveStatus.MISSING, MoveStatus.STALE):
            make_table(target, name, move.source)
            progress(Step(name, Phase.MADE))
        if move.status is not MoveStatus.UNVERIFIED:
            copy_rows(target, name, move.source, progress)
            progress(Step(name, Phase.COPIED, move.size.data_files, move.size.rows))
        verified[name] = _verify(target, move)
        progress(Step(name, Phase.VERIFIED, move.size.data_files, move.size.rows))
    if changed := [str(move.name) for move in plan.tables if _has_changed(source, move)]:
        raise TransientError(
            f"The source was written to during the move: {', '.join(changed)}.",
            "Stop polls and builds of the source, then run the move again: it copies these tables again.",
        )
    return verified


def history_left_behind(plan: MovePlan) -> list[LeftBehind]:
    """Return the history of the planned tables that is not moved. Reads metadata and lists files."""
    left = []
    for move in plan.tables:
        live, pinned = live_points(move.source), pinned_points(move.source)
        moments = [point.committed_at for point in (*live, *pinned)]
        left.append(LeftBehind(move.name, max(0, len(live) - 1), len(pinned), min(moments, default=None)))
    return left


def _verify(target: Catalog, move: TableMove) -> Fingerprint:
    copy = load_table(target, move.name)
    wanted, found = fingerprint(move.source), fingerprint(copy)
    if difference := mismatch(copy, move.source, found, wanted):
        _drop_copy(target, move.name)
        raise PermanentError(
            f"The copy of {move.name} is not the same as the source: {difference}. It was dropped from the target.",
            "Run the move again. If this happens again, check both stores for damaged files.",
        )
    sync_properties(target, move.name, copy, {VERIFIED_PROPERTY: str(found)})
    return found


def _drop_copy(target: Catalog, name: TableName) -> None:
    # Check again, because the plan may be minutes old.
    if has_later_commits(load_table(target, name)):
        raise disturbed(name)
    with lake_failures():
        target.drop_table(name.identifier)


def _has_changed(source: Catalog, move: TableMove) -> bool:
    copies = find_table(source, move.name)
    return copies is None or copies.metadata_location != move.source.metadata_location
