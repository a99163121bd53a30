"""Maintenance on all four kinds of lake: every stored file is referenced, and every retained state is readable.

Hours pass by moving the clock of this process. A REST catalog compares that clock with its own and refuses other
times, so the clock is not moved for it, and a state is pinned by hand.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.table import StaticTable, Table

from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import EVERY_ROW, write_data_files
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.maintain import TableMaintenance, maintain
from foss_platform.lake.maintenance.referenced_files import references_of
from foss_platform.lake.maintenance.unreferenced_files import NOTES
from foss_platform.lake.query.query import ask
from foss_platform.lake.snapshots.pins import pin_state
from foss_platform.lake.snapshots.points import live_points, pinned_points, point_at
from foss_platform.lake.store.bulk_objects import Deleted, delete_objects
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import consumed_positions
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform_tests.services.lakes import Kind, Lake

NAME, OTHER = TableName("silver", "things"), TableName("silver", "things_too")
SCHEMA = pa.schema([("id", pa.int64())])
COMMITS = 30
STEP = timedelta(minutes=20)
COUNT = f"select count(*) as n from {NAME}"


@pytest.fixture
def catalog(lake: Lake) -> Catalog:
    """A catalog with two tables. They are created before the clock moves, because the store refuses other times."""
    catalog = open_catalog(lake.settings)
    for name in (NAME, OTHER):
        ensure_table(catalog, TableSpec(name, SCHEMA))
        put(catalog, name, 0)
    return catalog


@pytest.fixture
def clock(kind: Kind, catalog: Catalog) -> Iterator[time_machine.Traveller | None]:
    """A clock set to ten minutes before a full hour of tomorrow, or None if the clock cannot be moved."""
    if kind is Kind.REST_MINIO:
        with time_machine.travel(datetime.now(UTC)):
            yield None
        return
    start = (datetime.now(UTC) + timedelta(days=1)).replace(minute=50, second=0, microsecond=0)
    with time_machine.travel(start, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _signed_at_the_time_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the real time for bulk deletes, because botocore signs them with the moved clock. PyArrow does not."""

    def at_true_time(files: Any, paths: Sequence[str]) -> Deleted:
        with time_machine.travel(time_machine.escape_hatch.time.time()):
            return delete_objects(files, paths)

    monkeypatch.setattr("foss_platform.lake.files.table_files.delete_objects", at_true_time)


def grow(catalog: Catalog, clock: time_machine.Traveller | None) -> dict[datetime, int]:
    """Commit a row every twenty minutes. Return retained moments with their numbers of rows."""
    start = datetime.now(UTC)
    by_hand = {}
    for number in range(1, COMMITS):
        if clock is not None:
            clock.shift(STEP)
        elif number == 3:
            next_hour = (datetime.now(UTC) + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
            pinned = pin_state(load_table(catalog, NAME), next_hour)
            by_hand = {pinned.committed_at: 3}
        put(catalog, NAME, number)
    return by_hand or {start + timedelta(minutes=10, hours=hour): 3 * hour + 1 for hour in range(10)}


def put(catalog: Catalog, name: TableName, number: int) -> Table:
    return commit(catalog, name, lambda _: Change(pa.table({"id": [number]}, schema=SCHEMA)))


def maintenance(catalog: Catalog, *, dry_run: bool = False) -> TableMaintenance:
    """Maintain the table an hour later, because a state is retained for the full hours that have passed."""
    now = datetime.now(UTC) + timedelta(hours=1)
    return maintain(catalog, NAME, now, trigger="command", older_than=timedelta(), dry_run=dry_run)


def stored(lake: Lake, table: Table | None = None) -> set[str]:
    """Return all files of the lake or of a table, listed without the platform's code."""
    if lake.store_server is None:
        files = [path for path in Path(lake.warehouse.removeprefix("file://")).rglob("*") if path.is_file()]
        found = {str(path) for path in files}
    else:
        # the store refuses signatures with a time that differs from its own
        with time_machine.travel(time_machine.escape_hatch.time.time()):
            found = set(lake.store_server.files.find(lake.warehouse.removeprefix("s3://")))
        # when PyArrow deletes an object, it creates an empty object for the folder
        found = {path for path in found if not path.endswith("/")}
    return found if table is None else {path for path in found if Storage(table).is_own(path)}


def referenced(table: Table) -> set[str]:
    storage = Storage(table)
    found = references_of(table, pinned_points(table), storage.path_of)
    return found.needed.keys() | found.past | {f"{storage.root}/{NOTES}"}


def test_every_stored_file_is_referenced(lake: Lake, catalog: Catalog, clock: time_machine.Traveller | None) -> None:
    held = grow(catalog, clock)
    # files of writers that were killed before their commits
    (orphan,) = write_data_files(load_table(catalog, NAME), pa.table({"id": [-1]}, schema=SCHEMA))
    write_data_files(load_table(catalog, OTHER), pa.table({"id": [-1]}, schema=SCHEMA))
    table, other, before = load_table(catalog, NAME), load_table(catalog, OTHER), stored(lake)
    assert Storage(table).path_of(orphan.file_path) in before
    assert {file.path for file in Storage(table).list_files()} == stored(lake, table)

    planned = maintenance(catalog, dry_run=True).removal
    assert stored(lake) == before
    done = maintenance(catalog).removal
    assert {file.path for file in planned.files} <= {file.path for file in done.files} <= before
    assert Storage(table).path_of(orphan.file_path) in {file.path for file in done.files}
    table = load_table(catalog, NAME)
    assert stored(lake, table) == referenced(table)
    assert stored(lake, other) == {path for path in before if Storage(other).is_own(path)}

    assert {row["id"] for row in table.scan().to_arrow().to_pylist()} == {*range(COMMITS)}
    assert table.scan().count() == COMMITS
    assert any(point_at(table, moment).is_pinned for moment in held)
    for moment, rows in held.items():
        point = point_at(table, moment)
        plain = StaticTable.from_metadata(point.metadata_location, catalog.properties)
        assert plain.scan(snapshot_id=point.snapshot_id).to_arrow().num_rows == rows
    for moment in (min(held), max(held)):
        answer = ask(lake.settings, catalog, COUNT, moment).reader.read_all()
        assert answer.to_pylist() == [{"n": held[moment]}]


def test_maintenance_after_a_rollback(lake: Lake, catalog: Catalog, clock: time_machine.Traveller | None) -> None:
    moments = []
    for number in range(1, 5):
        if clock is not None:
            clock.shift(timedelta(hours=1))
        rows, position = pa.table({"id": [number]}, schema=SCHEMA), {"foss.position.s": f"u:{number}"}
        table = commit(catalog, NAME, lambda _: Change(rows, EVERY_ROW, properties=position))  # noqa: B023
        moments.append(live_points(table)[-1].committed_at)
    rolled_back = roll_back(catalog, plan_rollback(catalog, NAME, moments[1]))
    assert consumed_positions(rolled_back) == {"s": ("u", 2)}
    maintenance(catalog)
    table = load_table(catalog, NAME)
    assert stored(lake, table) == referenced(table)
    assert table.scan().to_arrow()["id"].to_pylist() == [2]
    # the state before the rollback is still readable
    answer = ask(lake.settings, catalog, f"select id from {NAME}", moments[2]).reader.read_all()
    assert answer.to_pylist() == [{"id": 3}]
