"""One behaviour on four kinds of lake: SQLite and a folder, Postgres, REST and S3 give the same results."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause, scheduled
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.duckdb_views import pin, reading_cursor
from foss_platform.lake.query.query import ask
from foss_platform.lake.store.store_access import Store, open_store
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, list_tables, load_table
from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.ingest.writers import START, live_poll, record
from foss_platform_tests.services.lakes import Kind, Lake

NAME = TableName("bronze", "readings")
ROWS = pa.table({"site": ["A", "B"], "free": [7, None]})


@pytest.fixture
def catalog(lake: Lake) -> Catalog:
    return open_catalog(lake.settings)


def polled(feed: Feed, tick: int, body: str) -> Callable[[Cause], Poll]:
    return lambda _: live_poll(feed, tick, body)


def test_a_commit_is_read_back(lake: Lake, catalog: Catalog) -> None:
    ensure_table(catalog, TableSpec(NAME, ROWS.schema, "Readings."))
    commit(catalog, NAME, lambda _: Change(ROWS, summary={"foss.test": "yes"}))
    table = load_table(open_catalog(lake.settings), NAME)
    assert table.scan().to_arrow().to_pylist() == ROWS.to_pylist()
    assert table.metadata_location.startswith(lake.warehouse)
    assert list_tables(catalog) == [NAME]


def test_a_query_gives_the_same_answer_on_every_lake(lake: Lake, catalog: Catalog) -> None:
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    commit(catalog, NAME, lambda _: Change(ROWS))
    query = "select site, free from bronze.readings order by site"
    assert ask(lake.settings, catalog, query).reader.read_all().to_pylist() == ROWS.to_pylist()


def test_a_read_only_cursor_reads_from_the_store(lake: Lake, catalog: Catalog) -> None:
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    table = commit(catalog, NAME, lambda _: Change(ROWS))
    cursor = reading_cursor(lake.settings, table)
    assert cursor.execute(f"select count(*) from {pin(NAME, table).relation}").fetchall() == [(2,)]


def test_polls_are_committed_exactly_once(lake: Lake, catalog: Catalog, feed: Feed) -> None:
    for tick in range(3):
        cause = scheduled(feed.name, live_poll(feed, tick, "[]").log["polled_at"].replace(microsecond=0))
        body = f"[{record('A', str(tick))},{record('B')},null]"
        first = ingest_poll(catalog, feed, cause, polled(feed, tick, body), {})
        again = ingest_poll(open_catalog(lake.settings), feed, cause, polled(feed, tick, body), {})
        assert first.written is not None
        assert again.written is None
    rows = ask(lake.settings, catalog, f"select count(*) n, count(distinct _batch_id) b from {feed.bronze}")
    assert rows.reader.read_all().to_pylist() == [{"n": 6, "b": 3}]


def add_rows(environment: dict[str, str], writer: int, commits: int) -> None:
    """Commit rows as a writer in a separate process."""
    import os

    os.environ.update(environment)
    catalog = open_catalog(load_settings())
    for number in range(commits):
        commit(catalog, NAME, lambda _: Change(pa.table({"site": [f"{writer}-{number}"], "free": [number]})))  # noqa: B023


def test_concurrent_writers_lose_no_rows(lake: Lake, catalog: Catalog) -> None:
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=add_rows, args=(lake.environment, writer, 5)) for writer in range(2)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0, 0]
    rows = load_table(catalog, NAME).scan().to_arrow().to_pylist()
    assert sorted(row["site"] for row in rows) == sorted(
        f"{writer}-{number}" for writer in range(2) for number in range(5)
    )


@pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
def test_the_error_of_a_refused_store_contains_no_secret(lake: Lake, catalog: Catalog) -> None:
    secret = next(iter(lake.secrets))
    store = Store("s3://bucket/", {"key_id": "a", "nonsense": secret})
    extension = str(Path(duckdb.__file__).parent / "none.duckdb_extension")
    for attempt in (extension, _httpfs()):
        with pytest.raises(ConfigurationError) as refused:
            open_store(duckdb.connect(), store, attempt)
        assert secret not in f"{refused.value!r} {refused.value.__cause__!r} {store!r}"


@pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
def test_a_wrong_key_is_one_clear_error_without_secrets(
    lake: Lake, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_table(catalog, TableSpec(NAME, ROWS.schema))
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY", "wrong-and-yet-secret")
    from foss_platform.errors import FossError

    with pytest.raises(FossError) as refused:
        commit(open_catalog(lake.settings), NAME, lambda _: Change(ROWS))
    assert "access key" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in (*lake.secrets, "wrong-and-yet-secret"))


def _httpfs() -> str:
    from foss_platform.lake.query.duckdb_views import _extension_file

    return _extension_file("httpfs")


def test_time_of_first_tick_is_the_writers(feed: Feed) -> None:
    assert live_poll(feed, 0, "[]", late=0).log["polled_at"] == START
