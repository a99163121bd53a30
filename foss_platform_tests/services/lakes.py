"""The four kinds of lake of the test matrix, which differ only in the configuration of catalog and store.

A lake is a place and the environment variables that name it.
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
        """Whether the catalog is stored in Postgres."""
        return self is not Kind.SQLITE_FOLDER

    @property
    def has_minio(self) -> bool:
        """Whether the files are stored in MinIO."""
        return self in (Kind.POSTGRES_MINIO, Kind.REST_MINIO)


@dataclass(frozen=True)
class Lake:
    """An empty lake of one test, named by environment variables.

    Attributes
    ----------
    catalog_server
        Server of the catalog, for tests that stop or freeze it. None if the catalog is a file.
    store_server
        Server of the store, for tests that stop or freeze it. None if the store is a folder.
    environment
        Variables that name the lake, including secrets.
    """

    kind: Kind
    warehouse: str
    catalog_server: Server | None
    store_server: Minio | None
    environment: dict[str, str] = field(repr=False)

    @property
    def settings(self) -> Settings:
        """Settings of the platform, as read by a process that starts now."""
        return load_settings()

    @property
    def secrets(self) -> set[str]:
        """Values that must not appear in any message, log or artefact."""
        found = {self.environment.get(f"{_PREFIX}S3__SECRET_ACCESS_KEY", "")}
        address = self.environment[f"{_PREFIX}URI"]
        if "@" in address:
            found.add(address.rpartition("@")[0].rpartition(":")[2])
        return found - {""}


@contextmanager
def made_lake(kind: Kind, home: Path, postgres: Postgres | None, minio: Minio | None) -> Iterator[Lake]:
    """Create an empty lake, and delete it with its content at the end."""
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
            postgres.ensure_running()
            postgres.drop_database(name)
        if minio is not None:
            minio.ensure_running()
            if minio.files.exists(name):
                minio.files.rm(name, recursive=True)


def named_by(properties: dict[str, str]) -> dict[str, str]:
    """Return the environment variables from which PyIceberg reads these properties of catalog `lake`."""
    return {_PREFIX + key.replace(".", "__").replace("-", "_").upper(): value for key, value in properties.items()}


def s3_properties(minio: Minio) -> dict[str, str]:
    """Return PyIceberg's properties for MinIO. The time-outs are the platform's defaults."""
    return {
        "s3.endpoint": minio.endpoint,
        "s3.access-key-id": minio.access_key,
        "s3.secret-access-key": minio.secret_key,
        "s3.region": "us-east-1",
        "s3.force-virtual-addressing": "false",
    }


def set_environment(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Set the environment variables of this lake, without other lakes and without the machine's settings."""
    for name in list(os.environ):
        if name.startswith(("PYICEBERG_CATALOG__", "FOSS_", "AWS_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
