"""Opening the catalog: new homes, and lost, damaged, locked or unconfigured catalogs."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine, event

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect import catalog as catalog_module
from foss_platform.lake.connect.catalog import catalog_database, open_catalog, warehouse_folder
from foss_platform.lake.query.duckdb_views import connect, create_view, pin
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, list_tables, load_table
from foss_platform.settings import Environment, Settings

NAME = TableName("bronze", "things")
SCHEMA = pa.schema([("id", pa.int64())])


def fill(settings: Settings) -> None:
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA))
    commit(catalog, NAME, lambda _: Change(pa.table({"id": [1]}, schema=SCHEMA)))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def count(settings: Settings) -> int:
    return load_table(open_catalog(settings, create=False), NAME).scan().to_arrow().num_rows


def test_new_home_becomes_a_lake(settings: Settings) -> None:
    assert not settings.home.exists()
    assert list_tables(open_catalog(settings)) == []
    fill(settings)
    assert list_tables(open_catalog(settings, create=False)) == [NAME]
    assert count(settings) == 1


def test_two_processes_creating_the_catalog_at_once_both_succeed(settings: Settings) -> None:
    database = catalog_database(settings)
    made: list[str] = []

    def another_is_first(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE" in statement and statement not in made:
            made.append(statement)
            with closing(sqlite3.connect(database)) as other:
                other.execute(statement)

    event.listen(Engine, "before_cursor_execute", another_is_first)
    try:
        open_catalog(settings)
    finally:
        event.remove(Engine, "before_cursor_execute", another_is_first)
    assert len(made) == 2
    fill(settings)
    assert count(settings) == 1


def test_reading_creates_no_lake(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no lake at") as caught:
        open_catalog(settings, create=False)
    assert str(settings.home) in caught.value.problem
    assert caught.value.remedy
    assert not settings.home.exists()


def test_empty_catalog_file_is_not_a_lake(settings: Settings) -> None:
    settings.home.mkdir()
    catalog_database(settings).touch()
    with pytest.raises(ConfigurationError, match="no lake at"):
        open_catalog(settings, create=False)
    assert catalog_database(settings).stat().st_size == 0
    fill(settings)
    assert count(settings) == 1


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("damage", ["missing", "empty", "another database"])
def test_lost_catalog_is_not_replaced_by_a_new_one(settings: Settings, damage: str, *, create: bool) -> None:
    fill(settings)
    database = catalog_database(settings)
    database.unlink()
    if damage == "empty":
        database.touch()
    elif damage == "another database":
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("create table other (x)")
    before = files(settings.home)
    with pytest.raises(ConfigurationError, match="missing or empty, but the warehouse") as caught:
        open_catalog(settings, create=create)
    assert str(database) in caught.value.problem
    assert "backup" in caught.value.remedy
    assert files(settings.home) == before


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 4000])
@pytest.mark.parametrize("create", [True, False])
def test_damaged_catalog_is_reported_and_left_unchanged(settings: Settings, content: bytes, *, create: bool) -> None:
    fill(settings)
    database = catalog_database(settings)
    database.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_catalog(settings, create=create)
    assert database.read_bytes() == content


def test_a_catalog_cut_in_the_middle_is_an_error(settings: Settings) -> None:
    fill(settings)
    database = catalog_database(settings)
    database.write_bytes(database.read_bytes()[:5000])
    with pytest.raises((ConfigurationError, TransientError)):
        load_table(open_catalog(settings), NAME)


def test_a_folder_in_place_of_the_catalog_is_an_error(settings: Settings) -> None:
    catalog_database(settings).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_catalog(settings)


@pytest.fixture
def locked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setattr(catalog_module, "_SQLITE_TIMEOUT", 0.2)
    fill(settings)
    with closing(sqlite3.connect(catalog_database(settings), isolation_level=None)) as connection:
        connection.execute("begin exclusive")
        yield settings
        connection.execute("rollback")


def test_locked_catalog_is_a_transient_error_in_reasonable_time(locked: Settings) -> None:
    began = time.monotonic()
    with pytest.raises(TransientError, match="locked") as caught:
        load_table(open_catalog(locked), NAME)
    assert time.monotonic() - began < 5
    assert "select" not in str(caught.value).lower()


def test_commit_against_a_lock_is_a_transient_error_and_can_be_repeated(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "_SQLITE_TIMEOUT", 0.2)
    fill(settings)
    catalog = open_catalog(settings)
    change = Change(pa.table({"id": [2]}, schema=SCHEMA))
    with closing(sqlite3.connect(catalog_database(settings), isolation_level=None)) as connection:
        connection.execute("begin immediate")  # reading is possible, writing is not
        assert load_table(catalog, NAME).scan().to_arrow().num_rows == 1
        with pytest.raises(TransientError, match="locked"):
            commit(catalog, NAME, lambda _: change)
        connection.execute("rollback")
    assert count(settings) == 1
    commit(catalog, NAME, lambda _: change)
    assert count(settings) == 2


def test_production_needs_a_configured_catalog(settings: Settings) -> None:
    production = settings.model_copy(update={"environment": Environment.PRODUCTION})
    with pytest.raises(ConfigurationError, match="no Iceberg catalog named 'lake' is configured") as caught:
        open_catalog(production)
    assert "PYICEBERG_CATALOG__LAKE__URI" in caught.value.remedy
    assert not settings.home.exists()


def test_missing_table_error_says_how_to_create_it(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"table bronze\.things does not exist yet"):
        load_table(open_catalog(settings), NAME)


@pytest.mark.parametrize("folder", ["with space", "år 100%", "a%20b", "it's", "a+b"])
def test_home_with_unusual_name_works(tmp_path: Path, folder: str) -> None:
    settings = Settings(home=tmp_path / folder / "home", duckdb_memory_limit="1GB", duckdb_threads=1)
    fill(settings)
    assert catalog_database(settings).is_file()
    assert any(warehouse_folder(settings).glob("*/*/metadata/*.metadata.json"))
    assert [path.name for path in tmp_path.iterdir()] == [folder]
    assert count(settings) == 1
    connection = connect(settings)
    create_view(connection, pin(NAME, load_table(open_catalog(settings), NAME)))
    assert connection.execute("select count(*) from bronze.things").fetchone() == (1,)


@pytest.mark.parametrize("folder", ["a#b", "a?b"])
def test_home_that_cannot_be_a_location_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigurationError, match="The lake cannot be stored in"):
        open_catalog(Settings(home=tmp_path / folder))
    assert list(tmp_path.iterdir()) == []
