"""Tables are switched together on a real Postgres: deadlocks, lost sessions, and answers that never arrive."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from sqlalchemy import Connection, Engine, event, make_url

from foss_platform.errors import TransientError
from foss_platform.lake.commit.change import Change, TableChange
from foss_platform.lake.commit.commit_with_retry import apply_changes
from foss_platform.lake.connect import sql_catalog, switch
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.connect.staged import ConflictError
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_tables
from foss_platform_tests.services.lake.commit_proxy import CommitProxy, Loss
from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.postgres import Postgres

pytestmark = pytest.mark.parametrize("kind", [Kind.POSTGRES_FOLDER], indirect=True)

_URI = "PYICEBERG_CATALOG__LAKE__URI"
A, B, C = TableName("bronze", "a"), TableName("gold", "b"), TableName("ops", "c")
SCHEMA = pa.schema([("id", pa.int64())])
_SECONDS = 30


def tables_in(catalog: Catalog) -> Catalog:
    for name in (A, B, C):
        ensure_table(catalog, TableSpec(name, SCHEMA))
    return catalog


def change_all(catalog: Catalog, number: int) -> None:
    rows = pa.table({"id": [number]}, schema=SCHEMA)
    apply_changes(catalog, [TableChange(name, lambda _: Change(rows)) for name in (A, B, C)])


def ids(catalog: Catalog) -> list[list[int]]:
    tables = load_tables(catalog, (A, B, C))
    return [sorted(row["id"] for row in table.scan().to_arrow().to_pylist()) for table in tables.values()]


@pytest.fixture
def session(lake: Lake, postgres: Postgres) -> Iterator[Callable[[], "psycopg2.extensions.connection"]]:
    """Open sessions of the superuser in the catalog's database."""
    opened: list[psycopg2.extensions.connection] = []

    def connect() -> "psycopg2.extensions.connection":
        opened.append(
            psycopg2.connect(
                host="127.0.0.1",
                port=postgres.port,
                user="postgres",
                password=postgres.superuser_password,
                dbname=make_url(lake.environment[_URI]).database,
            )
        )
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def lock_row(cursor: Any, name: TableName) -> None:
    cursor.execute("select 1 from iceberg_tables where table_name = %s for update", [name.name])


def until_one_waits(session: Callable[[], "psycopg2.extensions.connection"]) -> None:
    """Wait until a session of the catalog's database waits for a lock."""
    watching = session()
    watching.autocommit = True
    deadline = time.monotonic() + _SECONDS
    with watching.cursor() as cursor:
        waiting = 0
        while not waiting:
            assert time.monotonic() < deadline, "no session waits for a lock"
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            (waiting,) = cursor.fetchone() or (0,)
            time.sleep(0.01)


def test_a_deadlock_is_tried_again(
    lake: Lake, session: Callable[[], "psycopg2.extensions.connection"], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = session()
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("select current_database()")
        (database,) = cursor.fetchone() or ("",)
        # long enough for the other session to complete the cycle before ours looks for one
        cursor.execute(f"alter database \"{database}\" set deadlock_timeout = '2s'")
    catalog = tables_in(open_catalog(lake.settings))
    conflicts: list[frozenset[Any]] = []

    def noted(*arguments: Any) -> None:
        try:
            switch.switch_tables(*arguments)
        except ConflictError as conflict:
            conflicts.append(conflict.tables)
            raise

    monkeypatch.setattr(sql_catalog, "switch_tables", noted)
    failures: list[BaseException] = []

    def change() -> None:
        try:
            change_all(catalog, 1)
        except BaseException as failure:
            failures.append(failure)

    with closing(session()) as other, other.cursor() as cursor:
        # only our session looks for deadlocks, so Postgres ends our transaction
        cursor.execute("set deadlock_timeout = '1h'")
        lock_row(cursor, B)
        thread = threading.Thread(target=change)
        thread.start()
        until_one_waits(session)
        lock_row(cursor, A)
        other.rollback()
    thread.join(_SECONDS)
    assert not thread.is_alive()
    assert failures == []
    assert conflicts == [frozenset()]
    assert ids(catalog) == [[1], [1], [1]]


def test_a_session_that_is_ended_before_the_commit_commits_nothing(
    lake: Lake, session: Callable[[], "psycopg2.extensions.connection"]
) -> None:
    catalog = tables_in(open_catalog(lake.settings))
    admin = session()
    admin.autocommit = True
    ended: list[int] = []

    @event.listens_for(Engine, "commit")
    def end(connection: Connection) -> None:
        if not ended:
            driver: Any = connection.connection.dbapi_connection
            ended.append(driver.get_backend_pid())
            with admin.cursor() as cursor:
                cursor.execute("select pg_terminate_backend(%s, 10000)", ended)

    try:
        with pytest.raises(TransientError, match="catalog did not answer"):
            change_all(catalog, 1)
    finally:
        event.remove(Engine, "commit", end)
    assert len(ended) == 1
    assert ids(catalog) == [[], [], []]
    change_all(catalog, 2)
    assert ids(catalog) == [[2], [2], [2]]


@pytest.fixture
def proxy(lake: Lake, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommitProxy]:
    """A proxy in front of Postgres. The environment names it."""
    with CommitProxy(postgres.port) as proxy:
        url = make_url(lake.environment[_URI]).set(host="127.0.0.1", port=proxy.port)
        monkeypatch.setenv(_URI, url.render_as_string(hide_password=False))
        yield proxy


def test_a_commit_whose_answer_is_lost_is_found_out(lake: Lake, proxy: CommitProxy) -> None:
    catalog = tables_in(open_catalog(lake.settings))
    change_all(catalog, 1)
    proxy.lose(Loss.ANSWER)
    change_all(catalog, 2)
    assert proxy.lost == [Loss.ANSWER]
    assert ids(catalog) == [[1, 2], [1, 2], [1, 2]]


def test_a_commit_that_never_arrives_is_found_out(lake: Lake, proxy: CommitProxy) -> None:
    catalog = tables_in(open_catalog(lake.settings))
    change_all(catalog, 1)
    proxy.lose(Loss.REQUEST)
    with pytest.raises(TransientError, match="catalog did not answer"):
        change_all(catalog, 2)
    assert proxy.lost == [Loss.REQUEST]
    assert ids(catalog) == [[1], [1], [1]]
    change_all(catalog, 2)
    assert ids(catalog) == [[1, 2], [1, 2], [1, 2]]
