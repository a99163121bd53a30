"""A lake, and functions that copy and move it like users do."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import Catalog

from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.snapshots.points import pinned_points
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, list_tables, load_table
from foss_platform.settings import Settings

THINGS, OTHERS = TableName("bronze", "things"), TableName("gold", "others")
_COLUMNS: dict[str, pa.DataType] = {"id": pa.int64(), "what": pa.string()}
SCHEMA = pa.schema(_COLUMNS)


def fill(settings: Settings, commits: int = 5) -> Catalog:
    """A lake of two tables, with a history, merged files and files that nothing refers to."""
    catalog = open_catalog(settings)
    for name in (THINGS, OTHERS):
        ensure_table(catalog, TableSpec(name, SCHEMA))
    for number in range(commits):
        add(catalog, number)
    return catalog


def add(catalog: Catalog, number: int) -> None:
    """Add one row to each table."""
    rows = pa.table({"id": [number], "what": [f"row {number}"]}, schema=SCHEMA)
    for name in (THINGS, OTHERS):
        commit(catalog, name, lambda _: Change(rows))


def rows_of(home: Path) -> dict[str, list[int]]:
    """The rows of all tables, read file by file."""
    catalog = open_catalog(Settings(home=home), create=False)
    return {
        str(name): ids(load_table(catalog, name).scan().to_arrow())
        for name in list_tables(catalog)
        if name in (THINGS, OTHERS)
    }


def ids(rows: pa.Table) -> list[int]:
    """The numbers of the rows, sorted."""
    return sorted(int(str(found)) for found in rows.column("id").to_pylist())


def files_of(home: Path) -> dict[str, bytes]:
    """Every file of a home's warehouse, with its bytes."""
    return {
        str(file.relative_to(home)): file.read_bytes() for file in (home / "warehouse").rglob("*") if file.is_file()
    }


def copied(home: Path, target: Path) -> Path:
    """Copy it like `cp -a`."""
    subprocess.run([shutil.which("cp") or "cp", "-a", home, target], check=True)
    return target


def moved(home: Path, target: Path) -> Path:
    """Move it like `mv`."""
    subprocess.run([shutil.which("mv") or "mv", home, target], check=True)
    return target


def clean_up(home: Path) -> None:
    """Clean up as if the retention time of every file were over."""
    catalog = open_catalog(Settings(home=home), create=False)
    for name in (THINGS, OTHERS):
        for _ in range(2):
            maintain(catalog, name, datetime.now(UTC) + timedelta(days=3), trigger="command", older_than=timedelta())


def pins(home: Path) -> int:
    """How many pinned states the first table has."""
    return len(pinned_points(load_table(open_catalog(Settings(home=home), create=False), THINGS)))


def locations(home: Path) -> set[str]:
    """Where the catalog says that the tables are."""
    catalog = open_catalog(Settings(home=home), create=False)
    return {load_table(catalog, name).location() for name in list_tables(catalog)}
