"""Bulk deletion: order, own files only, and each refusal reported."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files import table_files as storage_module
from foss_platform.lake.files.table_files import Storage, StoredFile
from foss_platform.lake.maintenance.unreferenced_files import NOTES, Removal, remove
from foss_platform.lake.snapshots.points import PINNED_PREFIX
from foss_platform.lake.store.bulk_objects import (
    BATCH,
    BulkDeleteUnsupported,
    delete_objects,
    has_same_connection_settings,
)
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])

Refuse = Callable[[str], str | None]


class FakeStore:
    """Deletes files like S3 deletes objects. The root of the file system acts as a bucket.

    Attributes
    ----------
    requests
        The keys of each.
    refuse
        By key, the code of an error; "" for no answer about it, None to delete it.
    """

    def __init__(self, refuse: Refuse = lambda _: None) -> None:
        self.requests: list[list[str]] = []
        self.refuse = refuse

    def call_s3(self, method: str, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        assert method == "delete_objects"
        self.requests.append([entry["Key"] for entry in Delete["Objects"]])
        deleted, errors = [], []
        for key in self.requests[-1]:
            code = self.refuse(key)
            if code is None:
                Path(f"{Bucket}/{key}").unlink(missing_ok=True)
                deleted.append({"Key": key})
            elif code:
                errors.append({"Key": key, "Code": code, "Message": "No."})
        return {"Deleted": deleted, "Errors": errors}


class RefusedAtAll(FakeStore):
    """Refuses a whole request, with the error that s3fs raises."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def call_s3(self, method: str, **_: Any) -> dict[str, Any]:
        self.requests.append([])
        cause = RuntimeError()
        cause.response = {"Error": {"Code": self._code, "Message": "No."}}  # type: ignore[attr-defined]
        raise PermissionError("No.") from cause


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA))
    apply_change(catalog, NAME, lambda _: Change(pa.table({"id": [1]}, schema=SCHEMA)))
    return catalog


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeStore], FakeStore]:
    """Treat the tables of a folder as objects in such a store."""

    def use(store: FakeStore) -> FakeStore:
        plain = Storage.__init__

        def as_objects(storage: Storage, *arguments: Any) -> None:
            plain(storage, *arguments)
            storage._has_bulk = True

        monkeypatch.setattr(Storage, "__init__", as_objects)
        monkeypatch.setattr(storage_module, "FEW", 0)
        monkeypatch.setattr(storage_module, "open_s3", lambda _: store)
        return store

    return use


def loose(catalog: Catalog, *names: str) -> Removal:
    """Return a plan to remove existing files with these names."""
    root = Path(Storage(load_table(catalog, NAME)).root)
    files = []
    for name in names:
        path = root / "metadata" / name
        path.write_text("loose")
        files.append(StoredFile(str(path), 5, datetime.now(UTC) - timedelta(days=1)))
    return Removal(files)


def still_there(removal: Removal) -> set[str]:
    return {file.name for file in removal.files if Path(file.path).exists()}


def test_bulk_deletion_deletes_pins_first_in_few_requests(
    catalog: Catalog, bulk: Callable[[FakeStore], FakeStore]
) -> None:
    store, told = bulk(FakeStore()), list[str]()
    pins = [f"{PINNED_PREFIX}{number}" for number in range(3)]
    removal = loose(catalog, *pins, *[f"file-{number}" for number in range(BATCH + 1)])
    remove(catalog, NAME, removal, lambda file: told.append(file.path))
    assert [len(keys) for keys in store.requests] == [3, BATCH, 1]
    assert [Path(key).name for key in store.requests[0]] == pins
    assert told == [file.path for file in removal.files]
    assert still_there(removal) == set()
    # the table itself and the notes of retained files
    table = load_table(catalog, NAME)
    assert table.scan().to_arrow().num_rows == 1
    assert Storage(table).read_whole(NOTES) == b"{}"


@pytest.mark.parametrize(("code", "reason"), [("InternalError", "InternalError: No."), ("", "no answer")])
def test_refusal_is_reported_and_stops_the_deletion(
    catalog: Catalog, bulk: Callable[[FakeStore], FakeStore], code: str, reason: str
) -> None:
    store, told = bulk(FakeStore(lambda key: code if key.endswith("-1") else None)), list[str]()
    pins = [f"{PINNED_PREFIX}{number}" for number in range(3)]
    removal = loose(catalog, *pins, "file-0")
    with pytest.raises(TransientError, match=rf"1 objects .* were not deleted, e.g. .*{pins[1]}: {reason}"):
        remove(catalog, NAME, removal, lambda file: told.append(file.name))
    assert len(store.requests) == 1
    assert told == [pins[0], pins[2]]
    assert still_there(removal) == {pins[1], "file-0"}
    store.refuse = lambda key: "NoSuchKey" if key.endswith("-2") else None
    remove(catalog, NAME, removal, lambda _: None)
    assert still_there(removal) == set()


@pytest.mark.parametrize("code", ["AccessDenied", "SignatureDoesNotMatch"])
def test_a_key_that_may_not_delete(catalog: Catalog, bulk: Callable[[FakeStore], FakeStore], code: str) -> None:
    for store in (FakeStore(lambda _: code), RefusedAtAll(code)):
        bulk(store)
        removal = loose(catalog, "file")
        with pytest.raises(ConfigurationError, match="refuses the access key"):
            remove(catalog, NAME, removal, lambda _: None)
        assert still_there(removal) == {"file"}


@pytest.mark.parametrize("code", ["NotImplemented", "MethodNotAllowed", "MissingContentMD5"])
def test_store_without_bulk_deletion_deletes_one_by_one(
    catalog: Catalog, bulk: Callable[[FakeStore], FakeStore], code: str
) -> None:
    store, told = bulk(RefusedAtAll(code)), list[str]()
    removal = loose(catalog, *[f"file-{number}" for number in range(BATCH + 1)])
    remove(catalog, NAME, removal, lambda file: told.append(file.path))
    assert len(store.requests) == 1
    assert told == [file.path for file in removal.files]
    assert still_there(removal) == set()


def test_few_files_are_deleted_one_by_one(
    catalog: Catalog, bulk: Callable[[FakeStore], FakeStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bulk(FakeStore())
    monkeypatch.setattr(storage_module, "FEW", 5)
    pins = [f"{PINNED_PREFIX}{number}" for number in range(5)]
    removal = loose(catalog, *pins, *[f"file-{number}" for number in range(6)])
    remove(catalog, NAME, removal, lambda _: None)
    assert [len(keys) for keys in store.requests] == [6]
    assert still_there(removal) == set()


def test_file_outside_the_table_stops_the_deletion(
    catalog: Catalog, bulk: Callable[[FakeStore], FakeStore], tmp_path: Path
) -> None:
    store = bulk(FakeStore())
    removal = loose(catalog, "file")
    storage = Storage(load_table(catalog, NAME))
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for path in (str(mine), storage.root, f"{storage.root}x/file", f"{storage.root}/../mine", ""):
        with pytest.raises(ValueError, match="outside"):
            list(storage.delete_all([removal.files[0].path, path]))
    assert store.requests == []
    assert mine.exists()
    assert still_there(removal) == {"file"}


def test_missing_answer_is_an_error_of_the_store() -> None:
    def never(*_: object, **__: object) -> None:
        raise TimeoutError("Read timeout")

    with pytest.raises(OSError, match=r"deleting 1 objects in bucket 'b': TimeoutError: Read timeout"):
        delete_objects(SimpleNamespace(call_s3=never), ["b/key"])
    with pytest.raises(BulkDeleteUnsupported):
        delete_objects(RefusedAtAll("NotImplemented"), ["b/key"])
    with pytest.raises(ValueError, match="unpack"):
        delete_objects(FakeStore(), ["b/key", "c/key"])


def test_settings_unknown_to_s3fs_are_left_to_pyarrow() -> None:
    properties = {"uri": "…", "s3.endpoint": "http://127.0.0.1:9000", "s3.request-timeout": "8"}
    assert has_same_connection_settings(properties)
    assert not has_same_connection_settings({**properties, "s3.role-arn": "arn"})
    assert not has_same_connection_settings({**properties, "client.access-key-id": "key"})
