"""A clock that is set back between commits, over real catalogs: Trino, by Iceberg's Java library, opens the table."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from trino.exceptions import TrinoQueryError

from foss_platform.lake.commit.commit_with_retry import Change, apply_change, sync_properties
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform_tests.iceberg_rules import refusals
from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.trino import ENGINEER
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

NAME, CARELESS = TableName("gold", "things"), TableName("gold", "careless")
ROWS = pa.table({"id": [1]})
_BACK = (timedelta(0), timedelta(hours=-1), timedelta(days=-2), timedelta(days=-400))


def grow(catalog: Catalog) -> None:
    """Commits with rows and commits with properties, each by a clock further behind."""
    for number, back in enumerate(_BACK):
        with time_machine.travel(datetime.now(UTC) + back):
            apply_change(catalog, NAME, lambda _: Change(ROWS))
            table = load_table(catalog, NAME)
            sync_properties(catalog, NAME, table, {"foss.test": str(number)})


@pytest.mark.parametrize("kind", [Kind.POSTGRES_FOLDER, Kind.REST_MINIO])
def test_logs_stay_in_order(lake: Lake) -> None:
    catalog = open_catalog(lake.settings)
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    grow(catalog)
    metadata = load_table(open_catalog(lake.settings), NAME).metadata
    assert refusals(metadata) == []
    times = [snapshot.timestamp_ms for snapshot in metadata.snapshots]
    assert times == sorted(set(times))
    assert len(times) == len(_BACK)


def test_trino_opens_the_table(trino: TrinoOnLake) -> None:
    catalog = open_catalog(trino.lake.settings)
    for name in (NAME, CARELESS):
        ensure_table(catalog, TableSpec(name, ROWS.schema))
    grow(catalog)
    assert trino.access.rows(f"select count(*) from {ENGINEER}.{NAME}") == [[len(_BACK)]]
    # the same by PyIceberg alone, which shows that Trino does refuse
    careless = SqlCatalog("lake", **catalog.properties)
    for back in _BACK:
        with time_machine.travel(datetime.now(UTC) + back):
            careless.load_table(CARELESS.identifier).append(ROWS)
    with pytest.raises(TrinoQueryError, match=r"[Mm]etadata|sorted|timestamp"):
        trino.access.rows(f"select count(*) from {ENGINEER}.{CARELESS}")
    # and the next commit of ours mends it
    apply_change(catalog, CARELESS, lambda _: Change(ROWS))
    assert trino.access.rows(f"select count(*) from {ENGINEER}.{CARELESS}") == [[len(_BACK) + 1]]
