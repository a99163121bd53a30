"""The store or the catalog is unavailable: one clear error within 30 s, no data loss, and the next attempt succeeds."""

import re
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import FossError, TransientError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.process import Server

NAME = TableName("bronze", "readings")
ROWS = pa.table({"site": ["A"], "free": [7]})
BOUND_SECONDS = 30

ON_POSTGRES = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
ON_BOTH = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)


@pytest.fixture
def catalog(lake: Lake) -> Iterator[Catalog]:
    catalog = open_catalog(lake.settings)
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    commit(catalog, NAME, lambda _: Change(ROWS))
    yield catalog
    for server in (lake.store_server, lake.catalog_server):
        assert server is not None
        server.ensure_running()


def add(catalog: Catalog) -> None:
    commit(catalog, NAME, lambda _: Change(ROWS))


def sites(lake: Lake) -> int:
    return load_table(open_catalog(lake.settings), NAME).scan().to_arrow().num_rows


def refused_in_time(act: Callable[[], object], lake: Lake) -> str:
    began = time.monotonic()
    with pytest.raises(FossError) as refused:
        act()
    assert time.monotonic() - began < BOUND_SECONDS
    assert isinstance(refused.value, TransientError)
    assert not any(secret in str(refused.value) for secret in lake.secrets)
    return str(refused.value)


@ON_BOTH
@pytest.mark.parametrize("away", [Server.stop, Server.freeze])
def test_the_store_is_unavailable(lake: Lake, catalog: Catalog, away: Callable[[Server], None]) -> None:
    assert lake.store_server is not None
    away(lake.store_server)
    # a REST catalog reads the table's metadata from the store itself, so it may be the server that does not answer
    assert re.search("warehouse|catalog", refused_in_time(lambda: add(catalog), lake))
    lake.store_server.ensure_running()
    add(catalog)
    assert sites(lake) == 2


@ON_BOTH
def test_the_catalog_is_stopped(lake: Lake, catalog: Catalog) -> None:
    assert lake.catalog_server is not None
    lake.catalog_server.stop()
    assert "catalog" in refused_in_time(lambda: add(catalog), lake)
    assert "catalog" in refused_in_time(lambda: open_catalog(lake.settings), lake)
    lake.catalog_server.start()
    add(catalog)
    assert sites(lake) == 2


@ON_BOTH
def test_a_restart_between_two_commits_has_no_effect(lake: Lake, catalog: Catalog) -> None:
    assert lake.catalog_server is not None
    assert lake.store_server is not None
    lake.catalog_server.restart()
    lake.store_server.restart()
    add(catalog)
    assert sites(lake) == 2
