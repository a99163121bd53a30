"""A table is created by its first successful build, with all of its rows."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import TransientError
from foss_platform.lake.commit.commit_with_retry import Change
from foss_platform.lake.commit.create_filled import create_filled
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files import data_files
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, find_table, load_table
from foss_platform.settings import Settings
from foss_platform.transform.results import NodeStatus
from foss_platform.transform.runner import build
from foss_platform_tests.repository import PROJECT_ROOT

NAME = TableName("silver", "things")
SCHEMA = pa.schema([("id", pa.int64())])
SPEC = TableSpec(NAME, SCHEMA, "Things.")


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return open_catalog(settings)


def batches(*sizes: int, fails: bool = False) -> pa.RecordBatchReader:
    def made() -> Iterator[pa.RecordBatch]:
        for size in sizes:
            yield pa.record_batch([pa.array(range(size), pa.int64())], schema=SCHEMA)
        if fails:
            raise pa.ArrowInvalid("the query failed in the middle")

    return pa.RecordBatchReader.from_batches(SCHEMA, made())


def files_of(settings: Settings) -> list[Path]:
    return [path for path in (settings.home / "warehouse").rglob("*") if path.is_file() and "things" in str(path)]


def test_rows_and_properties_are_one_commit(catalog: Catalog) -> None:
    table = create_filled(catalog, SPEC, lambda: Change(batches(3, 2), EVERY_ROW, properties={"foss.logic": "x"}))
    assert table.scan().to_arrow()["id"].to_pylist() == [0, 1, 2, 0, 1]
    assert len(table.snapshots()) == 1
    assert (table.properties["foss.logic"], table.properties["comment"]) == ("x", "Things.")
    assert table.metadata.metadata_log == []


def test_build_without_rows_creates_an_empty_table(catalog: Catalog) -> None:
    table = create_filled(catalog, SPEC, lambda: Change(batches(), EVERY_ROW, properties={"foss.logic": "x"}))
    assert table.scan().to_arrow().num_rows == 0
    assert table.properties["foss.logic"] == "x"


def test_failure_while_reading_rows_leaves_nothing(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_files, "ARROW_BYTES_PER_FILE", 8)
    with pytest.raises(pa.ArrowInvalid):
        create_filled(catalog, SPEC, lambda: Change(batches(3, 2, fails=True), EVERY_ROW))
    assert find_table(catalog, NAME) is None
    assert files_of(settings) == []


def test_one_of_two_concurrent_first_builds_wins(settings: Settings, catalog: Catalog) -> None:
    def second() -> Change:
        create_filled(open_catalog(settings), SPEC, lambda: Change(batches(3), EVERY_ROW))
        return Change(batches(4), EVERY_ROW)

    with pytest.raises(TransientError, match=r"Another run created silver\.things"):
        create_filled(catalog, SPEC, second)
    table = load_table(catalog, NAME)
    assert table.scan().to_arrow()["id"].to_pylist() == [0, 1, 2]
    data = [path for path in files_of(settings) if path.suffix == ".parquet"]
    assert len(data) == 1


@pytest.mark.parametrize(
    ("sql", "is_built"),
    [
        ("select site, error('no such number') as number from {{ ref('parking_sites') }}", False),
        ("select site, 1 as number from {{ ref('parking_sites') }} where false", True),
    ],
)
def test_model_has_a_table_only_after_its_first_build(
    tmp_path: Path, settings: Settings, sql: str, is_built: bool
) -> None:
    project = tmp_path / "project"
    shutil.copytree(
        PROJECT_ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages")
    )
    (project / "models" / "gold" / "parking" / "numbers.sql").write_text(
        "{{ config(materialized='table', contract={'enforced': false}) }}\n" + sql
    )
    own = settings.model_copy(update={"dbt_project": project})
    selection = ["lakehouse.parking_sites", "lakehouse.gold.parking.numbers"]
    statuses = {result.unique_id.split(".")[2]: result.status for result in build(own, selection)}
    assert statuses["numbers"] is (NodeStatus.SUCCESS if is_built else NodeStatus.ERROR)
    table = find_table(open_catalog(own), TableName("gold", "numbers"))
    assert (table is not None) is is_built
