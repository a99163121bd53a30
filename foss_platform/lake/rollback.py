"""Taking a derived table back to how it stood. What belongs here: one commit that does it; not: asking whether to.

The data files of then take the place of those of now in one snapshot, so no row is copied, history keeps both
states, and a pinned state serves as well as a live one. With the rows go the positions up to which they
contain the sources, so that the next increment reads from there on.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from foss_platform.errors import LastingError
from foss_platform.lake.changes import Change, apply_change
from foss_platform.lake.data_files import DataFiles
from foss_platform.lake.failures import lake_failures
from foss_platform.lake.names import TableName
from foss_platform.lake.points import Point, pinned_points, point_at, point_table, surplus_points
from foss_platform.lake.policy import policy_of
from foss_platform.lake.positions import build_properties
from foss_platform.lake.tables import load_table

_DERIVED = ("silver", "gold")


@dataclass(frozen=True)
class Rollback:
    """What a roll back changes: the state to go back to, and rows and files of now and then."""

    name: TableName
    point: Point
    rows_now: int
    rows_then: int
    files_added: int
    files_removed: int


def plan_rollback(catalog: Catalog, name: TableName, moment: datetime) -> Rollback:
    """What going back to `moment` would change; reads only.

    Raises
    ------
    LastingError
        When the table is evidence, the state is not kept, its columns were others, or it holds delete files.
    ConfigurationError
        When there is no such table.
    """
    if name.namespace not in _DERIVED:
        raise LastingError(
            f"{name} is not rolled back: it is evidence, and silver and gold are made from it.",
            f"Only tables of {' and '.join(_DERIVED)} are. `foss sql --at` reads {name} as it stood.",
        )
    table = load_table(catalog, name)
    point = point_at(table, moment)
    # a pin that no promise needs may go while it is rolled back to
    policy = policy_of(table.properties, str(name))
    if point.is_pinned and point in surplus_points(pinned_points(table), policy, datetime.now(UTC)):
        raise LastingError(
            f"{name} as of {moment.isoformat()} is about to be removed.", "Choose a moment that is promised."
        )
    now, then = _files(table, None), _files_then(name, table, point)
    return Rollback(
        name,
        point,
        rows_now=sum(file.record_count for file in now.values()),
        rows_then=sum(file.record_count for file in then.values()),
        files_added=len(then.keys() - now.keys()),
        files_removed=len(now.keys() - then.keys()),
    )


def roll_back(catalog: Catalog, rollback: Rollback) -> Table:
    """Go back, in one commit; where nothing differs, there is none.

    Raises
    ------
    LastingError
        When the state has meanwhile become unreadable, or its columns are others.
    PassingError
        When the store or catalog failed, or others kept winning; nothing was changed then.
    """
    name, point = rollback.name, rollback.point

    def plan(table: Table) -> Change | None:
        now, then = _files(table, None), _files_then(name, table, point)
        contained = _contained(table, point)
        if now.keys() == then.keys() and contained == build_properties(table.properties):
            return None
        return Change(
            files=DataFiles(
                [then[path] for path in sorted(then.keys() - now.keys())],
                [now[path] for path in sorted(now.keys() - then.keys())],
            ),
            properties=contained,
            forgets=tuple(sorted(build_properties(table.properties).keys() - contained.keys())),
            summary={"foss.rollback-to": str(point.snapshot_id)},
        )

    return apply_change(catalog, name, plan)


def _files_then(name: TableName, table: Table, point: Point) -> dict[str, DataFile]:
    then = point_table(table, point)
    snapshot = then.snapshot_by_id(point.snapshot_id)
    if snapshot is None:
        raise LastingError(f"The state of {name} at {point.committed_at.isoformat()} has expired meanwhile.")
    schema = then.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else then.schema()
    if [(f.field_id, f.name, f.field_type) for f in schema.fields] != [
        (f.field_id, f.name, f.field_type) for f in table.schema().fields
    ]:
        raise LastingError(
            f"{name} had other columns at {point.committed_at.isoformat()}.",
            "`foss rebuild` makes it anew with today's; `foss sql --at` reads it as it stood.",
        )
    return _files(then, point.snapshot_id)


def _files(table: Table, snapshot_id: int | None) -> dict[str, DataFile]:
    if snapshot_id is None and table.current_snapshot() is None:
        return {}
    with lake_failures():
        tasks: list[FileScanTask] = list(table.scan(snapshot_id=snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        raise LastingError(
            f"{'.'.join(table.name())} holds delete files, which cannot be rolled back.",
            "`foss cleanup` merges them into the data files of the current state.",
        )
    return {task.file.file_path: task.file for task in tasks}


def _contained(table: Table, point: Point) -> dict[str, str]:
    """What the rows of the point were made from; nothing where nobody noted it, and the next build is a whole one."""
    if point.is_pinned:
        return build_properties(point_table(table, point).properties)
    snapshot = table.snapshot_by_id(point.snapshot_id)
    if snapshot is None or snapshot.summary is None:
        return {}
    return build_properties(snapshot.summary.additional_properties)
