"""The SQLite catalog is locked, truncated or deleted: a clear error, and no new catalog in its place.

`pipeline/lake/test_catalog.py` tests the errors of opening a lost, damaged or locked catalog.
"""

import os
import signal
import sqlite3
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError, FossError, TransientError
from foss_platform.ingest.bronze.poll_once import IngestedPoll, ingest_poll
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.connect import catalog as catalog_module
from foss_platform.lake.connect.catalog import catalog_database, open_catalog, warehouse_folder
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.polling import TABLES
from foss_platform_tests.faults.injection.trial import server
from foss_platform_tests.pipeline.ingest.writers import live_poll, record
from foss_platform_tests.tables import content

_PAGE = 4096


def poll_of(feed: Feed, tick: int) -> Poll:
    return live_poll(feed, tick, f"[{record('A', str(tick))},null]")


def ingest(catalog: Catalog, feed: Feed, tick: int) -> IngestedPoll:
    poll = poll_of(feed, tick)
    return ingest_poll(catalog, feed, poll.cause, lambda _: poll, {})


def hold_lock(database: Path, connection: Connection) -> None:
    """Lock the catalog until a message asks to release it."""
    with closing(sqlite3.connect(database, isolation_level=None)) as sqlite:
        sqlite.execute("begin exclusive")
        connection.send("locked")
        connection.recv()
        sqlite.execute("rollback")


@pytest.mark.parametrize("patience", [0.2, 20], ids=["given-up", "waited-for"])
def test_locked_by_another_process(
    settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    ingest(open_catalog(settings), feed, 0)
    monkeypatch.setattr(catalog_module, "_SQLITE_TIMEOUT", patience)
    catalog = open_catalog(settings)
    ours, its = server().Pipe()
    other = server().Process(target=hold_lock, args=(catalog_database(settings), its))
    other.start()
    try:
        assert ours.recv() == "locked"
        if patience < 1:
            with pytest.raises(TransientError, match="locked"):
                ingest(catalog, feed, 1)
            ours.send("release")
        else:
            began = time.monotonic()
            release = server().Process(target=send_later, args=(ours, 0.5))
            release.start()
            ingest(catalog, feed, 1)
            assert time.monotonic() - began >= 0.4
            release.join()
    finally:
        other.join(10)
        if other.is_alive():
            other.kill()
            other.join()
    ingest(catalog, feed, 1)
    assert [len(rows) for rows in content(settings, TABLES).values()] == [2, 2, 2]


def send_later(connection: Connection, seconds: float) -> None:
    time.sleep(seconds)
    connection.send("release")


def die_in_commit(database: Path) -> None:
    """Be killed while SQLite writes the pages of a transaction, as a `SIGKILL` within a commit does."""
    with closing(sqlite3.connect(database, isolation_level=None)) as sqlite:
        sqlite.execute("pragma cache_size = 1")
        sqlite.execute("begin immediate")
        sqlite.execute("update iceberg_tables set metadata_location = 'nowhere'")
        sqlite.execute("create table torn as select zeroblob(100000) as bytes")
        os.kill(os.getpid(), signal.SIGKILL)


def test_killed_while_the_catalog_is_written(settings: Settings, feed: Feed) -> None:
    ingest(open_catalog(settings), feed, 0)
    database = catalog_database(settings)
    other = server().Process(target=die_in_commit, args=(database,))
    other.start()
    other.join(30)
    assert other.exitcode == -signal.SIGKILL
    assert database.with_name("catalog.db-journal").stat().st_size > 0
    ingest(open_catalog(settings), feed, 1)
    assert [len(rows) for rows in content(settings, TABLES).values()] == [2, 2, 2]


def test_truncated_at_any_length(settings: Settings, feed: Feed, measured: Measured, *, full: bool) -> None:
    ingest(open_catalog(settings), feed, 0)
    database = catalog_database(settings)
    whole, tables = database.read_bytes(), content(settings, TABLES)
    lengths = [n + more for n in range(0, len(whole), _PAGE) for more in ((0, 1, 100, 2000) if full else (0, 100))]
    errors: dict[str, int] = {}
    for length in lengths:
        database.write_bytes(whole[:length])
        files = {path for path in settings.home.rglob("*") if not path.name.startswith("catalog.db-")}
        with pytest.raises(FossError) as caught:
            ingest(open_catalog(settings), feed, 1)
        assert isinstance(caught.value, ConfigurationError | TransientError)
        assert "catalog" in str(caught.value)
        assert caught.value.remedy
        assert database.read_bytes() == whole[:length]
        assert {path for path in settings.home.rglob("*") if not path.name.startswith("catalog.db-")} == files
        kind = type(caught.value).__name__
        errors[kind] = errors.get(kind, 0) + 1
    database.write_bytes(whole)
    assert content(settings, TABLES) == tables
    ingest(open_catalog(settings), feed, 1)
    measured("lengths", errors)


def test_deleted_while_a_process_has_it_open(settings: Settings, feed: Feed) -> None:
    catalog = open_catalog(settings)
    ingest(catalog, feed, 0)
    database = catalog_database(settings)
    kept = database.rename(settings.home / "elsewhere.db")
    metadata = sorted(warehouse_folder(settings).rglob("*.metadata.json"))
    with pytest.raises(FossError) as caught:
        ingest(catalog, feed, 1)
    assert "catalog" in str(caught.value)
    assert not database.exists()
    with pytest.raises(ConfigurationError, match="still holds tables"):
        ingest(open_catalog(settings), feed, 1)
    assert not database.exists()
    kept.rename(database)
    assert set(metadata) <= set(warehouse_folder(settings).rglob("*.metadata.json"))
    ingest(open_catalog(settings), feed, 1)
    assert [len(rows) for rows in content(settings, TABLES).values()] == [2, 2, 2]
