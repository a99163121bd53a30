"""The four kinds of lake that one behaviour suite runs over: catalog and store by configuration alone.

What belongs here: a lake's place and the environment that names it. What does not: servers, or what a test does.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest

from foss_platform.engine import Engine
from foss_platform.settings import Environment, Settings, Switch, load_settings
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.rest_catalog import RestCatalog

_PREFIX = "PYICEBERG_CATALOG__LAKE__"


class Kind(StrEnum):
    """Catalog and store of a lake."""

    SQLITE_FOLDER = "sqlite-folder"
    POSTGRES_FOLDER = "postgres-folder"
    POSTGRES_MINIO = "postgres-minio"
    REST_MINIO = "rest-minio"

    @property
    def has_postgres(self) -> bool:
        """Whether a Postgres keeps the catalog."""
        return self is not Kind.SQLITE_FOLDER

    @property
    def has_minio(self) -> bool:
        """Whether a MinIO keeps the files."""
        return self in (Kind.POSTGRES_MINIO, Kind.REST_MINIO)


@dataclass(frozen=True)
class Lake:
    """An empty lake of one test's own, which the environment names.

    Attributes
    ----------
    catalog_server
        Whom to stop or freeze to take the catalog away; None where it is a file.
    store_server
        The same of the store; None where it is a folder.
    environment
        What names it: holds secrets.
    """

    kind: Kind
    warehouse: str
    catalog_server: Server | None
    store_server: Minio | None
    environment: dict[str, str] = field(repr=False)

    @property
    def settings(self) -> Settings:
        """The platform's settings, as a process that starts now reads them."""
        return load_settings()

    @property
    def secrets(self) -> set[str]:
        """What no message, log or artefact may hold."""
        found = {self.environment.get(f"{_PREFIX}S3__SECRET_ACCESS_KEY", "")}
        address = self.environment[f"{_PREFIX}URI"]
        if "@" in address:
            found.add(address.rpartition("@")[0].rpartition(":")[2])
        return found - {""}


@contextmanager
def made_lake(kind: Kind, home: Path, postgres: Postgres | None, minio: Minio | None) -> Iterator[Lake]:
    """Make an empty lake, and remove it with all that it holds."""
    name = f"t{uuid.uuid4().hex[:16]}"
    catalog: dict[str, str] = {"type": "sql"}
    catalog_server: Server | None = postgres
    store: dict[str, str] = {}
    warehouse = f"file://{home / 'warehouse'}"
    if kind.has_minio:
        assert minio is not None
        minio.files.mkdir(name)
        warehouse, store = f"s3://{name}/lake", s3_properties(minio)
    if kind.has_postgres:
        assert postgres is not None
        catalog["uri"] = postgres.make_database(name)
    else:
        home.mkdir(parents=True, exist_ok=True)
        catalog["uri"] = f"sqlite:///{home / 'catalog.db'}?timeout=20"
    try:
        if kind is Kind.REST_MINIO:
            assert postgres is not None
            assert minio is not None
            rest = RestCatalog(name, postgres, minio, warehouse)
            catalog_server = rest
            catalog = {"type": "rest", "uri": rest.uri}
            rest.start()
        environment = named_by({**catalog, **store, "warehouse": warehouse})
        environment |= {
            "FOSS_ENVIRONMENT": Environment.PRODUCTION.value,
            "FOSS_HOME": str(home),
            "FOSS_ENGINE": Engine.DUCKDB.value,
            "FOSS_AUTOMATION": Switch.ON.value,
        }
        yield Lake(kind, warehouse, catalog_server, minio if kind.has_minio else None, environment)
    finally:
        if isinstance(catalog_server, RestCatalog):
            catalog_server.close()
        if postgres is not None:
            postgres.revive()
            postgres.drop_database(name)
        if minio is not None:
            minio.revive()
            if minio.files.exists(name):
                minio.files.rm(name, recursive=True)


def named_by(properties: dict[str, str]) -> dict[str, str]:
    """The environment variables from which PyIceberg reads these properties of catalog `lake`."""
    return {_PREFIX + key.replace(".", "__").replace("-", "_").upper(): value for key, value in properties.items()}


def s3_properties(minio: Minio) -> dict[str, str]:
    """How PyIceberg reaches MinIO; the time-outs are the platform's own."""
    return {
        "s3.endpoint": minio.endpoint,
        "s3.access-key-id": minio.access_key,
        "s3.secret-access-key": minio.secret_key,
        "s3.region": "us-east-1",
        "s3.force-virtual-addressing": "false",
    }


def set_environment(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Let the environment name this lake and no other, and no settings of the machine's besides."""
    for name in list(os.environ):
        if name.startswith(("PYICEBERG_CATALOG__", "FOSS_", "AWS_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
