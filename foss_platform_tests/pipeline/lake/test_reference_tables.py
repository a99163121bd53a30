"""The reference tables on DuckDB: consistent columns, joins with the lake, and no use in silver and gold."""

import csv
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from foss_platform.errors import ConfigurationError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import QueryError, ask
from foss_platform.lake.query.reference_tables import attach_reference
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.settings import Settings
from foss_platform.transform.project.manifest import read_manifest
from foss_platform_tests.analytics.analysis import compiled
from foss_platform_tests.repository import PROJECT_ROOT

SOURCE = "source.lakehouse.reference.parking_sites"
FILE = PROJECT_ROOT / "dbt_project" / "reference" / "parking_sites.csv"
SEED = PROJECT_ROOT / "dbt_project" / "seeds" / "parking_sites.csv"
LATEST = TableName("gold", "parking_latest")
JOINED = "select site, example_zone from gold.parking_latest join reference.reference.parking_sites using (site)"


@pytest.fixture
def lake(parsed_settings: Settings) -> Settings:
    """A lake with readings of one car park in the reference table and one that is not in it."""
    catalog = open_catalog(parsed_settings)
    rows = pa.table({"site": ["Forum", "Unheard of"]})
    ensure_table(catalog, TableSpec(LATEST, rows.schema))
    commit(catalog, LATEST, lambda _: Change(rows))
    return parsed_settings


def test_the_page_the_columns_and_the_rows_agree(parsed_settings: Settings) -> None:
    source = read_manifest(parsed_settings)["sources"][SOURCE]
    connection = duckdb.connect()
    attach_reference(connection, parsed_settings)
    described = connection.execute("describe reference.reference.parking_sites").fetchall()
    said = {name: column["data_type"] for name, column in source["columns"].items()}
    assert {name: type_.lower() for name, type_, *_ in described} == said
    with FILE.open(newline="") as lines:
        assert next(csv.reader(lines)) == list(said)
    # synthetic data is labeled as synthetic
    made_up = [column for name, column in source["columns"].items() if name.startswith("example_")]
    assert len(made_up) == 2
    assert all("made-up" in column["description"] for column in made_up)


def test_reference_table_matches_the_car_parks_of_the_seed() -> None:
    known, seeded = ({row["site"]: row for row in csv.DictReader(path.open(newline=""))} for path in (FILE, SEED))
    assert known.keys() == seeded.keys()
    for site, row in seeded.items():
        if row["capacity"]:
            assert (known[site]["capacity"], known[site]["capacity_basis"]) == (row["capacity"], row["capacity_source"])


def test_no_model_reads_the_reference_table(parsed_settings: Settings) -> None:
    nodes = read_manifest(parsed_settings)["nodes"].values()
    users = [
        node
        for node in nodes
        if any(name.startswith("source.lakehouse.reference.") for name in node["depends_on"].get("nodes", []))
    ]
    assert {node["resource_type"] for node in users} == {"analysis"}


def test_query_joins_the_reference_table_with_the_lake(lake: Settings) -> None:
    found = ask(lake, open_catalog(lake), JOINED).reader.read_all().to_pylist()
    assert found == [{"site": "Forum", "example_zone": "outer"}]


def test_analysis_finds_car_parks_missing_on_either_side(lake: Settings) -> None:
    found = ask(lake, open_catalog(lake), compiled(lake)).reader.read_all().to_pylist()
    missing = {row["site"]: row["missing"] for row in found}
    assert len(found) == len(missing) == 9
    assert missing.pop("Unheard of") == "not in the reference table"
    assert set(missing.values()) == {"not in the feed"}
    assert "Forum" not in missing


def test_other_queries_do_not_read_the_reference_files(lake: Settings, tmp_path: Path) -> None:
    elsewhere = lake.model_copy(update={"dbt_project": tmp_path / "none"})
    catalog = open_catalog(lake)
    assert ask(elsewhere, catalog, "select * from gold.parking_latest").reader.read_all().num_rows == 2
    with pytest.raises(QueryError, match="parking_sites"):
        ask(elsewhere, catalog, JOINED)


def test_file_with_wrong_columns_is_reported(lake: Settings, tmp_path: Path) -> None:
    shutil.copytree(FILE.parent, tmp_path / "project" / "reference")
    (tmp_path / "project" / "reference" / FILE.name).write_text("site,capacity\nForum,many\n")
    with pytest.raises(ConfigurationError) as refused:
        ask(lake.model_copy(update={"dbt_project": tmp_path / "project"}), open_catalog(lake), JOINED)
    assert "parking_sites cannot be created" in str(refused.value)
    assert "parking_sites.sql" in str(refused.value)
