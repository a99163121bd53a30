"""A table whose age the test controls, and file removal on it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.unreferenced_files import Removal, plan_removal, remove
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import DEFAULT_PROPERTIES, ensure_namespace, load_table
from foss_platform.settings import Settings

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])
POLICY = TablePolicy(keep_commits=3, keep_hours=6, keep_days=10, keep_unreferenced_hours=2)
START = datetime(2026, 3, 28, 10, 50, tzinfo=UTC)
SPARE = POLICY.keep_unreferenced


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that only the test moves."""
    with time_machine.travel(START, tick=False) as moved:
        yield moved


@pytest.fixture
def catalog(settings: Settings, clock: time_machine.Traveller) -> Catalog:
    return open_catalog(settings)


def make(catalog: Catalog, location: str | None = None, name: TableName = NAME) -> Table:
    ensure_namespace(catalog, name.namespace)
    properties = {**DEFAULT_PROPERTIES, **POLICY.properties()}
    return catalog.create_table(name.identifier, SCHEMA, location=location, properties=properties)


def put(catalog: Catalog, number: int, name: TableName = NAME) -> Table:
    rows = pa.table({"id": [number]}, schema=SCHEMA)
    return apply_change(catalog, name, lambda _: Change(rows))


def grown(catalog: Catalog, clock: time_machine.Traveller, location: str | None = None) -> Table:
    """Return a table of five commits, 20 minutes apart. Three are live and the first is pinned."""
    make(catalog, location)
    for number in range(5):
        put(catalog, number)
        clock.shift(timedelta(minutes=20))
    table = load_table(catalog, NAME)
    expire_all_but_current(table)
    return load_table(catalog, NAME)


def expire_all_but_current(table: Table) -> None:
    kept = {reference.snapshot_id for reference in table.metadata.refs.values()}
    table.maintenance.expire_snapshots().by_ids(
        [snapshot.snapshot_id for snapshot in table.snapshots() if snapshot.snapshot_id not in kept]
    ).commit()


def plan(catalog: Catalog, older_than: timedelta | None = None, name: TableName = NAME) -> Removal:
    date_files(load_table(catalog, name))
    return plan_removal(catalog, name, POLICY, datetime.now(UTC), older_than)


def date_files(table: Table, age: timedelta = timedelta()) -> None:
    """What was written since the clock was moved by hand is of its time, as a store that has that clock would say."""
    moment = (datetime.now(UTC) - age).timestamp()
    for path in files_below(root_of(table)):
        if path.stat().st_mtime > moment:
            os.utime(path, (moment, moment))


def clean(catalog: Catalog, older_than: timedelta | None = None) -> Removal:
    planned = plan(catalog, older_than)
    remove(catalog, NAME, planned, lambda _: None)
    return planned


def ids(table: Table, snapshot_id: int | None = None) -> list[int]:
    return sorted(row["id"] for row in table.scan(snapshot_id=snapshot_id).to_arrow().to_pylist())


def files_below(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def root_of(table: Table) -> Path:
    return Path(Storage(table).root)


def as_path(location: str) -> Path:
    return Path(location.removeprefix("file://"))
