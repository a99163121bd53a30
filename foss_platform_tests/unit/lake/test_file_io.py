"""The file IO changes one option of an S3 file system, and keeps all others."""

import pickle
from typing import Any

from pyarrow.fs import LocalFileSystem, S3FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO

from foss_platform.catalog_configuration import with_defaults
from foss_platform.lake.store.file_io import OneRequestFileIO

PROPERTIES = {
    "s3.endpoint": "http://127.0.0.1:9",
    "s3.access-key-id": "key",
    "s3.secret-access-key": "secret",
    "s3.region": "eu-north-1",
    "s3.force-virtual-addressing": "true",
    "s3.proxy-uri": "http://127.0.0.1:8",
}


def options(io: PyArrowFileIO) -> dict[str, object]:
    reduced: Any = io.fs_by_scheme("s3", "bucket").__reduce__()
    return dict(reduced[1][0])


def test_only_the_time_of_opening_changes() -> None:
    properties = with_defaults({"uri": "postgresql://127.0.0.1/lake", **PROPERTIES})
    plain, ours = options(PyArrowFileIO(properties)), options(OneRequestFileIO(properties))
    assert (plain.pop("allow_delayed_open"), ours.pop("allow_delayed_open")) == (False, True)
    assert plain == ours


def test_another_retry_strategy_keeps_the_file_system_of_pyiceberg() -> None:
    properties = with_defaults({"uri": "postgresql://127.0.0.1/lake", **PROPERTIES})
    assert options(OneRequestFileIO({**properties, "s3.retry-strategy-impl": ""}))["allow_delayed_open"] is False


def test_folders_and_pickling_work_as_before() -> None:
    io = OneRequestFileIO(with_defaults({"uri": "sqlite:///lake.db"}))
    assert isinstance(io.fs_by_scheme("file", ""), LocalFileSystem)
    properties = with_defaults({"uri": "postgresql://127.0.0.1/lake", **PROPERTIES})
    again = pickle.loads(pickle.dumps(OneRequestFileIO(properties)))
    assert isinstance(again.fs_by_scheme("s3", "bucket"), S3FileSystem)
