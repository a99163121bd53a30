"""A lake to move and its target."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pyiceberg.catalog import Catalog
from typer.testing import CliRunner

from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.move.copy import Step
from foss_platform.lake.move.move_lake import move_tables
from foss_platform.lake.move.plan import plan_move
from foss_platform.lake.move.target import open_target, read_target
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import own_position
from foss_platform.lake.table.tables import TableSpec, ensure_table, list_tables, load_table
from foss_platform.settings import Settings
from foss_platform.transform.project.folders import target_folder
from foss_platform_tests.faults.injection.kill_points import Points
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    GOLD,
    SILVER,
    Pipeline,
    compare,
    expected,
)
from foss_platform_tests.tables import Row

MODELS = (SILVER, *GOLD)
NAME = TableName("bronze", "things")
_COLUMNS: dict[str, pa.DataType] = {"id": pa.int64(), "what": pa.string()}
SCHEMA = pa.schema(_COLUMNS)


@dataclass(frozen=True)
class Target:
    """Where a lake moves to: the file that says so, and the settings of a platform that works there."""

    file: Path
    settings: Settings

    def catalog(self) -> Catalog:
        catalog = open_target(read_target(self.file, {}))
        assert catalog is not None
        return catalog


@pytest.fixture
def target(tmp_path: Path, settings: Settings, parsed_project: Path) -> Target:
    home = tmp_path / "elsewhere"
    there = settings.model_copy(update={"home": home})
    shutil.copytree(parsed_project, target_folder(there))
    lake = {"type": "sql", "uri": f"sqlite:///{home}/catalog.db", "warehouse": f"file://{home}/warehouse"}
    return Target(written(tmp_path / "target.yaml", lake), there)


@pytest.fixture
def small(settings: Settings) -> Catalog:
    """A lake of one table with three commits."""
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA, key=("id",)))
    for number in range(3):
        put(catalog, number, number + 10)
    return catalog


@pytest.fixture
def foss() -> CliRunner:
    return CliRunner()


def written(file: Path, lake: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump({"catalog": {"lake": lake}}))
    return file


def carry(source: Catalog, target: Catalog, only: tuple[TableName, ...] = ()) -> tuple[list[Step], dict[str, str]]:
    """Move the lake. Returns the steps and the verified tables."""
    steps: list[Step] = []
    plan = plan_move(source, target, only)
    verified = move_tables(plan, source, target, steps.append)
    return steps, {str(name): str(found) for name, found in verified.items()}


def carry_or_die(home: Path, file: Path, kill_at: int) -> list[str]:
    """Move in a separate process that ends at a given point. Returns the passed points."""
    points = Points(kill_at)
    catalog = open_target(read_target(file, {}))
    assert catalog is not None
    source = open_catalog(Settings(home=home), create=False)
    plan = plan_move(source, catalog)

    def progress(step: Step) -> None:
        points.at(step.name)
        points.reach(step.phase)

    move_tables(plan, source, catalog, progress)
    return points.reached


def rows(catalog: Catalog, name: str, *left_out: str) -> list[Row]:
    """All rows, with the numbers of the commits that brought them unless left out."""
    found = catalog.load_table(name).scan().to_arrow().drop_columns(list(left_out)).to_pylist()
    return sorted(found, key=lambda row: str(list(row.values())))


def everything(catalog: Catalog) -> dict[str, list[Row]]:
    return {str(name): rows(catalog, str(name)) for name in list_tables(catalog)}


def snapshots(catalog: Catalog) -> dict[str, int | None]:
    return {str(name): load_table(catalog, name).metadata.current_snapshot_id for name in list_tables(catalog)}


def is_the_same(here: Catalog, there: Catalog) -> None:
    """All tables with their rows, schemas and identities; none of them is read less far."""
    assert everything(there) == everything(here)
    for name in list_tables(here):
        old, new = load_table(here, name), load_table(there, name)
        assert new.schema() == old.schema()
        assert new.metadata.table_uuid == old.metadata.table_uuid
        assert old.properties.items() <= new.properties.items()
        assert own_position(new) >= own_position(old)


def goes_on(moved: Pipeline, polls: list[RecordedPoll], new: int) -> None:
    """Polls that are in commit nothing, the last `new` come in, and steps make what a rebuild and an oracle do."""
    before, copies, bronze_name = everything(moved.catalog), snapshots(moved.catalog), str(moved.feed.bronze)
    moved.ingest(polls[:-new])
    moved.build()
    assert snapshots(moved.catalog) == copies
    highest = max(row["_sequence_number"] for row in before[bronze_name])
    for poll in polls[-new:]:
        moved.ingest([poll])
    after = rows(moved.catalog, bronze_name)
    assert [row for row in after if row["_sequence_number"] <= highest] == before[bronze_name]
    assert len(after) > len(before[bronze_name])
    moved.build()
    for table in (SILVER, "gold.parking_latest", "gold.parking_feed_health"):
        snapshot = moved.catalog.load_table(table).current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        assert snapshot.summary.additional_properties["foss.build"] == "step", table
    stepped = {table: rows(moved.catalog, table) for table in MODELS}
    compare(stepped, expected(moved, polls))
    moved.build(full_refresh=True)
    assert {table: rows(moved.catalog, table) for table in MODELS} == stepped


def tree(folder: Path) -> dict[str, str]:
    """Each file of the lake and the hash of its content; dbt's own folder left out."""
    places = [folder / "catalog.db", *(folder / "warehouse").rglob("*")]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in places if p.is_file()}


def put(catalog: Catalog, *ids: int) -> None:
    commit(catalog, NAME, lambda _: Change(pa.table({"id": ids, "what": [str(i) for i in ids]}, schema=SCHEMA)))
