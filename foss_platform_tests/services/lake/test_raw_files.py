"""DuckDB reads raw files in the object store together with tables: on real MinIO, with every catalog."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError, FossError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import QueryError, ask
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform_tests.services.lakes import Kind, Lake

NAME = TableName("gold", "sites")
ROWS = pa.table({"site": ["A", "B"], "free": [7, 9]})

pytestmark = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)


@pytest.fixture
def catalog(lake: Lake) -> Catalog:
    return open_catalog(lake.settings)


@pytest.fixture
def raw(lake: Lake) -> str:
    """URL of a folder with a file of each kind that belongs to no table."""
    assert lake.store_server is not None
    address = f"{'/'.join(lake.warehouse.split('/')[:3])}/raw"
    parquet = io.BytesIO()
    pq.write_table(ROWS, parquet)
    lines = "\n".join(json.dumps(row) for row in ROWS.to_pylist())
    for name, content in {
        "x.csv": b"site,free\nA,7\nB,9\n",
        "y.csv": b"site,free\nC,11\n",
        "x.json": lines.encode(),
        "x.parquet": parquet.getvalue(),
    }.items():
        lake.store_server.files.pipe_file(f"{address}/{name}", content)
    return address


def rows(lake: Lake, catalog: Catalog, query: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = ask(lake.settings, catalog, query).reader.read_all().to_pylist()
    return found


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{raw}/x.csv')",
        "read_json('{raw}/x.json')",
        "read_parquet('{raw}/x.parquet')",
        "'{raw}/x.parquet'",
        "read_csv(['{raw}/x.csv', '{raw}/y.csv']) where site <> 'C'",
        "read_csv('{raw}/*.csv') where free < 10",
    ],
)
def test_a_file_is_read_by_its_url(lake: Lake, catalog: Catalog, raw: str, source: str) -> None:
    assert rows(lake, catalog, f"select site, free from {source.format(raw=raw)} order by 1") == ROWS.to_pylist()


def test_a_file_is_joined_with_a_table(lake: Lake, catalog: Catalog, raw: str) -> None:
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    commit(catalog, NAME, lambda _: Change(ROWS))
    query = f"select f.free from gold.sites join read_csv('{raw}/x.csv') as f using (site) where site = 'B'"
    assert rows(lake, catalog, query) == [{"free": 9}]


@pytest.mark.parametrize(
    "source", ["read_csv('{raw}/none.csv')", "read_json('{raw}/none*.json')", "'{raw}/none.parquet'"]
)
def test_a_missing_file_is_named(lake: Lake, catalog: Catalog, raw: str, source: str) -> None:
    with pytest.raises(QueryError) as refused:
        rows(lake, catalog, f"select * from {source.format(raw=raw)}")
    assert f"No such file in the object store: {raw}/none" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_bucket_is_named(lake: Lake, catalog: Catalog) -> None:
    with pytest.raises(FossError) as refused:
        rows(lake, catalog, "select * from read_csv('s3://no-such-bucket/x.csv')")
    assert "no-such-bucket" in str(refused.value)


def test_a_refused_key_is_one_clear_error(
    lake: Lake, catalog: Catalog, raw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY", "wrong-and-yet-secret")
    with pytest.raises(ConfigurationError) as refused:
        rows(lake, open_catalog(lake.settings), f"select * from read_csv('{raw}/x.csv')")
    assert "access key" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in (*lake.secrets, "wrong-and-yet-secret"))


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '{raw}/new.csv'",
        "create table t as from '{raw}/x.csv'",
        "select 1; copy (select 1) to '{raw}/new.csv'",
    ],
)
def test_only_a_select_reads_a_file(lake: Lake, catalog: Catalog, raw: str, statement: str) -> None:
    with pytest.raises(QueryError):
        rows(lake, catalog, statement.format(raw=raw))
    assert lake.store_server is not None
    assert not lake.store_server.files.exists(f"{raw}/new.csv")


@pytest.mark.parametrize(
    "looking", ["duckdb_secrets()", "duckdb_secrets(redact => false)", "duckdb_settings()", "duckdb_logs()"]
)
def test_a_query_cannot_read_the_keys(lake: Lake, catalog: Catalog, raw: str, looking: str) -> None:
    try:
        found = rows(lake, catalog, f"select * from {looking} cross join read_csv('{raw}/x.csv')")
    except QueryError as error:
        found = [{"error": str(error)}]
    assert not any(secret in str(found) for secret in lake.secrets)
