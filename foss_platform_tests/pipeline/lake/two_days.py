"""A small table for tests of row deletes by another engine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import ManifestContent
from pyiceberg.table import Table

from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import Slices
from foss_platform.lake.files.row_deletes import has_delete_files
from foss_platform.lake.query.duckdb_views import connect, pin
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings

NAME = TableName("silver", "things")
SCHEMA = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC"))])
DAY = datetime(2026, 3, 1, tzinfo=UTC)
POSITION = {"foss.position.s": "u:1"}


def two_days(settings: Settings) -> Catalog:
    """Create a table with one file of five rows for each of two days, and return its catalog."""
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA, key=("id",), cluster_by="at"))
    for day in (0, 1):
        put(catalog, range(5 * day, 5 * day + 5), day, properties=POSITION)
    return catalog


def rows(numbers: range | list[int], day: int = 0) -> pa.Table:
    at = DAY + timedelta(days=day)
    return pa.Table.from_pylist([{"id": number, "at": at} for number in numbers], schema=SCHEMA)


def put(catalog: Catalog, numbers: range | list[int], day: int = 0, **change: object) -> Table:
    return commit(catalog, NAME, lambda _: Change(rows(numbers, day), **change))  # type: ignore[arg-type]


def day_of(day: int) -> Slices:
    start = DAY + timedelta(days=day)
    return Slices("at", ((start.isoformat(), (start + timedelta(days=1)).isoformat()),))


def ids(settings: Settings, table: Table) -> list[int]:
    """Return the ids that PyIceberg reads, after checking that DuckDB reads the same."""
    numbers: list[Any] = table.scan().to_arrow()["id"].to_pylist()
    found = sorted(numbers)
    connection = connect(settings)
    read = connection.execute(f"select id from {pin(NAME, table).relation} order by id").fetchall()
    assert [number for (number,) in read] == found
    return found


def leave_dangling(catalog: Catalog) -> Table:
    """Replace all data files with PyIceberg's own overwrite, which leaves the delete files behind."""
    table = load_table(catalog, NAME)
    with table.transaction() as transaction:
        producer = transaction.update_snapshot().overwrite()
        for task in table.scan().plan_files():
            producer.delete_data_file(task.file)
        producer.commit()
    return load_table(catalog, NAME)


def is_clean(table: Table) -> bool:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    totals = snapshot.summary.additional_properties
    assert has_delete_files(table) is (totals["total-delete-files"] != "0")
    manifests = snapshot.manifests(table.io)
    return not has_delete_files(table) and all(manifest.content == ManifestContent.DATA for manifest in manifests)
