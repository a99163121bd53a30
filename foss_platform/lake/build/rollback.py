"""Rolling a derived table back to an earlier state, in one commit.

One snapshot replaces the current data files with the earlier ones, and the history keeps both states. The earlier state
may be live or pinned. Rows are copied only from files that have row deletes of another engine, in the current or in the
earlier state. The positions are rolled back with the rows, so that the next increment continues from the earlier state.
If the earlier snapshot was created by another engine, it records no positions, and the next build is a full one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from foss_platform.errors import PermanentError
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.commit_order import not_before
from foss_platform.lake.files.data_files import DataFiles, rows_of, write_data_files
from foss_platform.lake.files.row_deletes import covering, refuse_equality_deletes
from foss_platform.lake.snapshots.points import Point, pinned_points, point_at, point_table, surplus_points
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import policy_of
from foss_platform.lake.table.positions import build_properties
from foss_platform.lake.table.tables import load_table

_DERIVED = ("silver", "gold")


@dataclass(frozen=True)
class Rollback:
    """The plan of a rollback: the state to restore, and the rows and files of the current and the earlier state."""

    name: TableName
    point: Point
    rows_now: int
    rows_then: int
    files_added: int
    files_removed: int


def plan_rollback(catalog: Catalog, name: TableName, moment: datetime) -> Rollback:
    """Return what a rollback to `moment` would change. Changes nothing.

    Raises
    ------
    PermanentError
        If the table is source data, or the state at `moment` is not retained, has other columns or has equality
        deletes.
    ConfigurationError
        If the table does not exist.
    """
    if name.namespace not in _DERIVED:
        raise PermanentError(
            f"{name} cannot be rolled back: it is source data, and silver and gold are derived from it.",
            f"Only tables in {' and '.join(_DERIVED)} can. `foss sql --at` reads an earlier state of {name}.",
        )
    table = load_table(catalog, name)
    point = point_at(table, moment)
    # A pinned state outside the policy may be deleted while the rollback runs.
    policy = policy_of(table.properties, str(name))
    now = not_before(table.metadata, datetime.now(UTC))
    if point.is_pinned and point in surplus_points(pinned_points(table), policy, now):
        raise PermanentError(
            f"The state of {name} at {moment.isoformat()} is about to be deleted.",
            "Choose a moment within the retention policy.",
        )
    swap = _swap(name, table, point)
    return Rollback(
        name,
        point,
        rows_now=_rows(table, None),
        rows_then=_rows(swap.then, point.snapshot_id),
        files_added=len(swap.back) + len(swap.copied),
        files_removed=len(swap.gone),
    )


def roll_back(catalog: Catalog, rollback: Rollback) -> Table:
    """Roll back in one commit. Makes no commit if the two states are the same.

    Raises
    ------
    PermanentError
        If the earlier state can no longer be read, or has other columns.
    TransientError
        If the store or catalog failed, or other commits were first in every try. Nothing was changed then.
    """
    name, point = rollback.name, rollback.point

    def plan(table: Table) -> Change | None:
        swap, contained = _swap(name, table, point), _contained(table, point)
        if not (swap.back or swap.copied or swap.gone) and contained == build_properties(table.properties):
            return None
        copies = write_data_files(table, rows_of(swap.then, swap.copied, AlwaysTrue())) if swap.copied else []
        return Change(
            files=DataFiles([*swap.back, *copies], swap.gone),
            properties=contained,
            forgets=tuple(sorted(build_properties(table.properties).keys() - contained.keys())),
            summary={"foss.rollback-to": str(point.snapshot_id)},
        )

    return apply_change(catalog, name, plan)


@dataclass(frozen=True)
class _Swap:
    """The file changes of a rollback: earlier files to restore, earlier files whose rows are copied, and current
    files to remove.
    """

    then: Table
    back: list[DataFile]
    copied: list[FileScanTask]
    gone: list[DataFile]


def _swap(name: TableName, table: Table, point: Point) -> _Swap:
    then = _table_then(name, table, point)
    if (standing_snapshot := table.current_snapshot()) is not None:
        refuse_equality_deletes(name, standing_snapshot)
    with lake_failures():
        standing, wanted = _tasks(table, None), _tasks(then, point.snapshot_id)
    covered = covering(standing.values()), covering(wanted.values())
    if standing.keys() == wanted.keys() and covered[0] == covered[1]:
        return _Swap(then, [], [], [])
    # The commit removes all delete files, so files with row deletes are rewritten without the deleted rows.
    dirty = covered[0].keys() | covered[1].keys()
    return _Swap(
        then,
        back=[wanted[path].file for path in sorted(wanted.keys() - standing.keys() - dirty)],
        copied=[wanted[path] for path in sorted(wanted.keys() & dirty)],
        gone=[standing[path].file for path in sorted((standing.keys() - wanted.keys()) | (standing.keys() & dirty))],
    )


def _table_then(name: TableName, table: Table, point: Point) -> Table:
    then = point_table(table, point)
    snapshot = then.snapshot_by_id(point.snapshot_id)
    if snapshot is None:
        raise PermanentError(f"The state of {name} at {point.committed_at.isoformat()} has expired in the meantime.")
    refuse_equality_deletes(name, snapshot)
    schema = then.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else then.schema()
    if [(f.field_id, f.name, f.field_type) for f in schema.fields] != [
        (f.field_id, f.name, f.field_type) for f in table.schema().fields
    ]:
        raise PermanentError(
            f"{name} had different columns at {point.committed_at.isoformat()}.",
            "`foss rebuild` builds the table with its current columns. `foss sql --at` reads the earlier state.",
        )
    return then


def _tasks(table: Table, snapshot_id: int | None) -> dict[str, FileScanTask]:
    if snapshot_id is None and table.current_snapshot() is None:
        return {}
    return {task.file.file_path: task for task in table.scan(snapshot_id=snapshot_id).plan_files()}


def _rows(table: Table, snapshot_id: int | None) -> int:
    if snapshot_id is None and table.current_snapshot() is None:
        return 0
    with lake_failures():
        # Counts by the manifests. Only files with row deletes are read.
        return table.scan(snapshot_id=snapshot_id).count()


def _contained(table: Table, point: Point) -> dict[str, str]:
    """Return the recorded positions and logic of the rows of a point. If none are recorded, the result is empty, and
    the next build is a full one.
    """
    if point.is_pinned:
        return build_properties(point_table(table, point).properties)
    snapshot = table.snapshot_by_id(point.snapshot_id)
    if snapshot is None or snapshot.summary is None:
        return {}
    return build_properties(snapshot.summary.additional_properties)
