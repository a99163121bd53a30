"""Three tables of different namespaces that are changed together."""

from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.lake.commit.change import Change, Plan, TableChange
from foss_platform.lake.commit.commit_with_retry import apply_changes
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_tables
from foss_platform.settings import Settings

A, B, C = TableName("bronze", "a"), TableName("gold", "b"), TableName("ops", "c")
NAMES = (A, B, C)
SCHEMA = pa.schema([("id", pa.int64())])


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    for name in NAMES:
        ensure_table(catalog, TableSpec(name, SCHEMA))
    return catalog


def rows(number: int) -> pa.Table:
    return pa.table({"id": [number]}, schema=SCHEMA)


def adding(number: int) -> Plan:
    return lambda _: Change(rows(number))


def ids(catalog: Catalog) -> dict[str, list[int]]:
    return {str(name): sorted(row["id"] for row in read_rows(table)) for name, table in tables(catalog).items()}


def read_rows(table: Table) -> list[dict[str, Any]]:
    return table.scan().to_arrow().to_pylist()


def tables(catalog: Catalog) -> dict[TableName, Table]:
    return load_tables(catalog, NAMES)


def files(settings: Settings) -> set[str]:
    return {
        str(path)
        for path in (settings.home / "warehouse").rglob("*")
        if path.is_file() and path.parent.name != "warehouse"
    }


def change_all(catalog: Catalog) -> None:
    apply_changes(catalog, [TableChange(name, adding(n)) for n, name in enumerate(NAMES)])
