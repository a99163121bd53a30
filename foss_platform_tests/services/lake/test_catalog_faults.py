"""The catalog fails: one clear error in time, no lost or duplicated data, and the next run repairs the lake."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform_tests.faults.injection.polling import BRONZE
from foss_platform_tests.services.lake.polling import in_mid_append, ingest, is_in_once, refused
from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server

_URI = "PYICEBERG_CATALOG__LAKE__URI"

ON_POSTGRES = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
ON_BOTH = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)


@pytest.fixture
def catalog(lake: Lake, feed: Feed) -> Catalog:
    catalog = open_catalog(lake.settings)
    ingest(catalog, feed, 0)
    return catalog


@pytest.fixture
def servers(lake: Lake, postgres: Postgres) -> Iterator[dict[str, Server]]:
    """Servers of the catalog, and the database behind it if it is a separate server."""
    assert lake.catalog_server is not None
    yield {"catalog": lake.catalog_server, "database": postgres}
    postgres.ensure_running()
    lake.catalog_server.ensure_running()


@contextmanager
def lock(lake: Lake, postgres: Postgres, mode: str) -> Iterator[None]:
    """Lock the catalog's table in another session."""
    with closing(connect(postgres, lake.warehouse.split("/")[2])) as session, session.cursor() as cursor:
        cursor.execute(f"lock table iceberg_tables in {mode} mode")
        yield
        session.rollback()


def connect(postgres: Postgres, database: str) -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host="127.0.0.1", port=postgres.port, user="postgres", password=postgres.superuser_password, dbname=database
    )


def use_up(sessions: ExitStack, postgres: Postgres) -> None:
    """Open sessions until the server accepts no more."""
    while True:
        sessions.enter_context(closing(connect(postgres, "postgres")))


@pytest.mark.parametrize(
    ("kind", "which"),
    [(Kind.POSTGRES_MINIO, "catalog"), (Kind.REST_MINIO, "catalog"), (Kind.REST_MINIO, "database")],
    indirect=["kind"],
)
@pytest.mark.parametrize("away", [Server.kill, Server.freeze, Server.restart])
def test_unavailable_during_an_append(
    lake: Lake,
    servers: dict[str, Server],
    catalog: Catalog,
    feed: Feed,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    away: Callable[[Server], None],
) -> None:
    in_mid_append(monkeypatch, BRONZE, lambda: away(servers[which]))
    if away is Server.restart:
        # the client may or may not notice that the earlier connection is broken
        try:
            ingest(catalog, feed, 1)
        except TransientError as noticed:
            assert "catalog" in str(noticed)
    else:
        error = refused(lake, lambda: ingest(catalog, feed, 1))
        assert isinstance(error, TransientError)
        assert "catalog" in str(error)
        assert "catalog" in str(refused(lake, lambda: ingest(open_catalog(lake.settings), feed, 1)))
        servers[which].ensure_running()
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


@ON_BOTH
def test_locked_for_reads(lake: Lake, catalog: Catalog, feed: Feed, postgres: Postgres) -> None:
    with lock(lake, postgres, "access exclusive"):
        error = refused(lake, lambda: ingest(catalog, feed, 1))
        assert isinstance(error, TransientError)
        assert "catalog" in str(error)
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


@ON_BOTH
def test_locked_for_commits(
    lake: Lake, catalog: Catalog, feed: Feed, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as locked:
        # from here on the table is readable but not writable
        in_mid_append(monkeypatch, BRONZE, lambda: locked.enter_context(lock(lake, postgres, "share row exclusive")))
        error = refused(lake, lambda: ingest(catalog, feed, 1))
        assert isinstance(error, TransientError)
        assert "catalog" in str(error)
    # a REST server may now execute the commit that nobody waits for any more
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


@ON_POSTGRES
def test_out_of_connections(lake: Lake, catalog: Catalog, feed: Feed, postgres: Postgres) -> None:
    with ExitStack() as sessions:
        with pytest.raises(psycopg2.OperationalError, match="too many clients"):
            use_up(sessions, postgres)
        error = refused(lake, lambda: ingest(open_catalog(lake.settings), feed, 1))
        assert isinstance(error, TransientError)
        assert "too many clients" in str(error)
    ingest(open_catalog(lake.settings), feed, 1)
    is_in_once(lake, feed, 2)


@ON_POSTGRES
def test_a_wrong_password_or_database(
    lake: Lake, catalog: Catalog, feed: Feed, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, database = lake.environment[_URI], lake.warehouse.split("/")[2]
    for wrong, named in (
        (uri.replace(postgres.lake_password, "wrong-and-yet-secret"), 'user "lake"'),
        (uri.replace(f"/{database}", "/nowhere"), 'database "nowhere"'),
    ):
        with monkeypatch.context() as patched:
            patched.setenv(_URI, wrong)
            error = refused(lake, lambda: ingest(open_catalog(lake.settings), feed, 1))
        assert isinstance(error, ConfigurationError)
        assert named in str(error)
        assert "wrong-and-yet-secret" not in str(error)
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)
