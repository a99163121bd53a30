"""The object store fails: one clear error in time, no lost or duplicated data, and the next run repairs the lake."""

import os
import subprocess
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import tenacity
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError, PermanentError, TransientError
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import ask
from foss_platform.settings import load_settings
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS
from foss_platform_tests.faults.injection.trial import server
from foss_platform_tests.faults.test_disk_full import leave
from foss_platform_tests.services.lake.polling import BOUND_SECONDS, in_mid_append, ingest, is_in_once, refused
from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server, running

_KINDS = [Kind.POSTGRES_MINIO, Kind.REST_MINIO]
_DISK_BYTES = 64_000_000
_COUNT = f"select count(*) as n from {BRONZE}"

pytestmark = pytest.mark.parametrize("kind", _KINDS, indirect=True)


@pytest.fixture
def catalog(lake: Lake, feed: Feed) -> Catalog:
    catalog = open_catalog(lake.settings)
    ingest(catalog, feed, 0)
    return catalog


@pytest.mark.parametrize(("away", "table"), [(Server.stop, BRONZE), (Server.freeze, BRONZE), (Server.stop, POLLS)])
def test_unavailable_during_an_append(
    lake: Lake,
    store: Minio,
    catalog: Catalog,
    feed: Feed,
    monkeypatch: pytest.MonkeyPatch,
    away: Callable[[Server], None],
    table: str,
) -> None:
    in_mid_append(monkeypatch, table, lambda: away(store))
    assert isinstance(refused(lake, lambda: ingest(catalog, feed, 1)), TransientError)
    store.ensure_running()
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


def until_in(catalog: Catalog, feed: Feed, tick: int) -> None:
    """Poll a tick, and retry after transient errors."""
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_delay(2 * BOUND_SECONDS),
        wait=tenacity.wait_fixed(0.1),
        reraise=True,
    )(ingest, catalog, feed, tick)


def append(environment: dict[str, str], feed: Feed, ticks: int, connection: Connection) -> None:
    """Poll as a scheduler with retries does. Send the committed ticks."""
    os.environ.update(environment)
    catalog = open_catalog(load_settings())
    for tick in range(ticks):
        until_in(catalog, feed, tick)
        connection.send(tick)


def test_killed_and_restarted_while_another_process_appends(lake: Lake, store: Minio, feed: Feed) -> None:
    ticks = 10
    ours, its = server().Pipe()
    process = server().Process(target=append, args=(lake.environment, feed, ticks, its))
    process.start()
    its.close()
    try:
        for tick in range(ticks):
            assert ours.poll(3 * BOUND_SECONDS)
            assert ours.recv() == tick
            if tick in (1, 4, 7):
                store.kill()
                store.start()
        process.join(BOUND_SECONDS)
    finally:
        if process.is_alive():
            process.kill()
            process.join()
    assert process.exitcode == 0
    is_in_once(lake, feed, ticks)


def test_no_bucket(lake: Lake, store: Minio, catalog: Catalog, feed: Feed) -> None:
    bucket = store.folder / "data" / lake.warehouse.split("/")[2]
    elsewhere = bucket.rename(store.folder / "elsewhere")
    error = refused(lake, lambda: ingest(catalog, feed, 1))
    if lake.kind is Kind.POSTGRES_MINIO:
        assert isinstance(error, PermanentError)
        assert bucket.name in str(error)
    else:
        # this REST server searches for the metadata longer than the client waits
        assert isinstance(error, TransientError)
    elsewhere.rename(bucket)
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


def test_no_bucket_for_a_new_lake(lake: Lake, store: Minio, feed: Feed) -> None:
    store.files.rmdir(lake.warehouse.split("/")[2])
    error = refused(lake, lambda: ingest(open_catalog(lake.settings), feed, 0))
    assert isinstance(error, ConfigurationError)
    assert "bucket" in str(error)
    store.files.mkdir(lake.warehouse.split("/")[2])
    ingest(open_catalog(lake.settings), feed, 0)
    is_in_once(lake, feed, 1)


@pytest.mark.parametrize("wrong", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
def test_a_wrong_key(lake: Lake, catalog: Catalog, feed: Feed, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    with monkeypatch.context() as patched:
        patched.setenv(f"PYICEBERG_CATALOG__LAKE__S3__{wrong}", "wrong-and-yet-secret")
        for act in (
            lambda: ingest(open_catalog(lake.settings), feed, 1),
            lambda: ask(lake.settings, open_catalog(lake.settings), _COUNT),
        ):
            error = refused(lake, act)
            assert isinstance(error, ConfigurationError)
            assert f"refuses the access key for bucket {lake.warehouse.split('/')[2]}" in str(error)
            assert "wrong-and-yet-secret" not in str(error)
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


class MinioOnDisk(Minio):
    """MinIO with its data on a separate disk."""

    def __init__(self, disk: Path) -> None:
        super().__init__()
        self._disk = disk

    def command(self) -> list[str]:
        """Return the usual command with the other folder."""
        return [*super().command()[:-1], str(self._disk / "data")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        pytest.skip(
            f"a tmpfs cannot be mounted, so a full disk of the store cannot be simulated: {done.stderr.strip()}"
        )
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], timeout=10, check=True)


def test_the_disk_is_full(
    kind: Kind, small_disk: Path, postgres: Postgres, feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(MinioOnDisk(small_disk)) as minio, made_lake(kind, tmp_path / "home", postgres, minio) as lake:
        set_environment(monkeypatch, lake.environment)
        catalog, failed = open_catalog(lake.settings), 0
        ingest(catalog, feed, 0)
        # each value leaves room for some more writes of a poll
        for tick, pages in enumerate((0, 4, 8, 60), start=1):
            filler = leave(small_disk, pages)
            try:
                ingest(catalog, feed, tick)
            except TransientError as error:
                assert "space" in str(error)
                failed += 1
            filler.unlink()
            # MinIO checks its free space once a second
            until_in(catalog, feed, tick)
        assert failed >= 2
        is_in_once(lake, feed, 5)
