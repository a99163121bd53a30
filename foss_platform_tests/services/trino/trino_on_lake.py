"""A separate lake with a Trino on it, alone or as a cluster, shared by many tests."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
import requests
import trino
from sqlalchemy.engine import make_url

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running_all
from foss_platform_tests.services.servers.readiness import NotReady
from foss_platform_tests.services.servers.trino import FOR_TESTS, Trino, TrinoAccess, TrinoServer
from foss_platform_tests.services.servers.trino_lake import trino_lake

_URI = "PYICEBERG_CATALOG__LAKE__URI"


class TrinoWorker(TrinoServer):
    """A server that only works for a coordinator."""

    role = "worker"

    def __init__(self, coordinator: Trino) -> None:
        super().__init__(coordinator.lake, coordinator.java_options)
        self.coordinator = coordinator
        self.secrets = coordinator.secrets

    def environment(self) -> dict[str, str]:
        """Return the variables, including the coordinator's address."""
        return {**super().environment(), "TRINO_COORDINATOR_PORT": str(self.coordinator.port)}

    def ask(self) -> None:
        """Check whether the coordinator lists the worker. The worker itself must listen first."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError as error:
            raise NotReady(str(error)) from error
        counted = f"select count(*) from system.runtime.nodes where state = 'active' and node_id = '{self.node}'"
        try:
            is_known = self.coordinator.access.rows(counted) == [[1]]
        except (requests.RequestException, trino.exceptions.Error) as error:
            raise NotReady(str(error)) from error
        if not is_known:
            raise NotReady("the coordinator does not list the worker yet")


@dataclass(frozen=True)
class TrinoOnLake:
    """A Trino and its lake.

    Attributes
    ----------
    server
        The coordinator.
    workers
        The workers. Empty if the coordinator works itself.
    """

    lake: Lake
    server: Trino
    workers: tuple[TrinoWorker, ...] = ()

    @property
    def access(self) -> TrinoAccess:
        """Connection data for clients."""
        return self.server.access

    def set_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the environment variables of this lake and this Trino."""
        set_environment(monkeypatch, {**self.lake.environment, **self.access.environment()})

    def run_on_postgres(self, *statements: str) -> None:
        """Run statements on the lake's database, which has its catalog and the reference tables."""
        address = make_url(self.lake.environment[_URI]).set(drivername="postgresql")
        connection = psycopg2.connect(address.render_as_string(hide_password=False))
        try:
            with connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def renew(self) -> None:
        """Make the server answer again in any state, with an empty lake without views."""
        for server in (self.server, *self.workers):
            server.ensure_running()
        self.run_on_postgres(
            "delete from iceberg_tables",
            "delete from iceberg_namespace_properties",
            "drop schema if exists reference cascade",
        )
        if self.lake.store_server is None:
            shutil.rmtree(self.lake.warehouse.removeprefix("file://"), ignore_errors=True)
        else:
            files, place = self.lake.store_server.files, self.lake.warehouse.removeprefix("s3://")
            if files.exists(place):
                files.rm(place, recursive=True)


@contextmanager
def made_trino(
    kind: Kind,
    home: Path,
    postgres: Postgres,
    minio: Minio | None,
    workers: int = 0,
    java_options: str = FOR_TESTS,
) -> Iterator[TrinoOnLake]:
    """Create an empty lake and start a Trino on it, with workers if requested. Close everything at the end."""
    with ExitStack() as stack:
        lake = stack.enter_context(made_lake(kind, home, postgres, minio))
        with pytest.MonkeyPatch.context() as patch:
            set_environment(patch, lake.environment)
            # the first connection creates the catalog's own tables, which Trino does not do
            open_catalog(lake.settings).close()
        coordinator = Trino(trino_lake(lake.environment), java_options, works=not workers)
        helpers = tuple(TrinoWorker(coordinator) for _ in range(workers))
        stack.enter_context(running_all([coordinator, *helpers]))
        yield TrinoOnLake(lake, coordinator, helpers)
