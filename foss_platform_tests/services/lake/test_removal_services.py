"""Deletes objects in a real store: many per request, and a clear error in time if the store fails meanwhile."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import TransientError
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files import table_files as storage_module
from foss_platform.lake.files.table_files import Storage, StoredFile
from foss_platform.lake.maintenance.unreferenced_files import NOTES, plan_removal, remove
from foss_platform.lake.store.bulk_objects import BATCH
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform_tests.services.lake.polling import refused
from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.minio import Minio

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])

pytestmark = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)


@pytest.fixture
def catalog(lake: Lake) -> Catalog:
    catalog = open_catalog(lake.settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA))
    apply_change(catalog, NAME, lambda _: Change(pa.table({"id": [1]}, schema=SCHEMA)))
    return catalog


@pytest.fixture(autouse=True)
def _never_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def delete(_: Storage, path: str) -> None:
        raise AssertionError(f"{path} was deleted individually")

    monkeypatch.setattr(Storage, "delete", delete)


def create_unreferenced_files(catalog: Catalog, count: int) -> set[str]:
    """Write unreferenced objects whose names contain special characters of URLs and XML."""
    storage = Storage(load_table(catalog, NAME))
    names = [f"data/{number}/å & <+%20> '{number}'.parquet" for number in range(count)]
    for name in names:
        storage.write_whole(name, b"loose")
    return {f"{storage.root}/{name}" for name in names}


def objects(lake: Lake, store: Minio) -> set[str]:
    return set(store.files.find(lake.warehouse.removeprefix("s3://")))


def test_all_unreferenced_objects_and_no_others(lake: Lake, store: Minio, catalog: Catalog) -> None:
    before = objects(lake, store)
    loose = create_unreferenced_files(catalog, BATCH + 20)
    told: list[StoredFile] = []
    removal = plan_removal(catalog, NAME, TablePolicy(), datetime.now(UTC), older_than=timedelta())
    assert {file.path for file in removal.files} == loose
    remove(catalog, NAME, removal, told.append)
    assert told == removal.files
    # no empty objects that represent folders either
    assert objects(lake, store) == before | {f"{Storage(load_table(catalog, NAME)).root}/{NOTES}"}


def test_the_store_is_frozen_between_two_requests(
    lake: Lake, store: Minio, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "BATCH", 5)
    monkeypatch.setattr(storage_module, "FEW", 0)
    loose = create_unreferenced_files(catalog, 12)
    gone: list[str] = []

    def freeze(file: StoredFile) -> None:
        gone.append(file.path)
        if len(gone) == 5:
            store.freeze()

    removal = plan_removal(catalog, NAME, TablePolicy(), datetime.now(UTC), older_than=timedelta())
    error = refused(lake, lambda: remove(catalog, NAME, removal, freeze))
    assert isinstance(error, TransientError)
    assert "warehouse" in str(error)
    store.ensure_running()
    # the frozen store may have accepted the next request, and executes it now
    assert loose & objects(lake, store) <= loose - set(gone)
    again = plan_removal(catalog, NAME, TablePolicy(), datetime.now(UTC), older_than=timedelta())
    remove(catalog, NAME, again, lambda _: None)
    assert not loose & objects(lake, store)
    assert load_table(catalog, NAME).scan().to_arrow().num_rows == 1
