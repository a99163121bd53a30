"""The identity of a catalog, which distinguishes it from every other catalog and from its own copies.

A SQLite catalog is identified by its real path, so a copy is another catalog. A Postgres catalog is identified by its
cluster identifier, database name and schema. A dump that is restored elsewhere differs in at least one of these
three, and every database user may read them.
"""

import os
import platform
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pyiceberg.catalog import Catalog
from sqlalchemy import Engine, text

from foss_platform.lake.store.warehouse import is_same_file


@dataclass(frozen=True)
class CatalogIdentity:
    """The identity of a catalog, without secrets.

    Attributes
    ----------
    kind
        `sqlite`, `postgres`, `rest`, or the name of another database.
    name
        The name that is unique within this kind.
    address
        The address at which the catalog was reached. It is shown to users and checked for existence. It is not part
        of the identity.
    """

    kind: str
    name: str
    address: str = ""

    def is_same(self, other: "CatalogIdentity") -> bool:
        """Whether both identify the same catalog."""
        if self.kind != other.kind:
            return False
        return self.name == other.name or (self.kind == "sqlite" and is_same_file(self.name, other.name))

    def __str__(self) -> str:
        """Return the text for users."""
        return self.name if self.kind == "sqlite" else f"{self.address or self.name}"


def identity_of(catalog: Catalog) -> CatalogIdentity | None:
    """Return the catalog's identity. None for a catalog in memory or without an address, because it cannot be copied.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        If the query to its database fails.
    """
    engine = getattr(catalog, "engine", None)
    if not isinstance(engine, Engine):
        return _rest_identity(dict(catalog.properties)) if catalog.properties.get("uri") else None
    dialect = engine.url.get_backend_name()
    if dialect == "sqlite":
        database = engine.url.database
        if not database or database == ":memory:" or database.startswith("file::memory:"):
            return None
        return CatalogIdentity("sqlite", os.path.realpath(database), platform.node())
    host = f"{engine.url.host or 'localhost'}:{engine.url.port or 5432}"
    if dialect != "postgresql":
        return CatalogIdentity(dialect, f"{host}/{engine.url.database}", host)
    return _postgres_identity(engine, host)


def _postgres_identity(engine: Engine, host: str) -> CatalogIdentity:
    asked = "select (select system_identifier from pg_control_system()), current_database(), current_schema()"
    with engine.connect() as connection:
        cluster, database, schema = connection.execute(text(asked)).one()
    return CatalogIdentity("postgres", f"{cluster}/{database}/{schema}", f"{host}/{database}")


def _rest_identity(properties: dict[str, Any]) -> CatalogIdentity:
    uri = urlsplit(str(properties.get("uri", "")))
    # User and password before an @ are not part of the address.
    address = f"{uri.scheme}://{uri.netloc.rpartition('@')[2]}{uri.path}".rstrip("/")
    return CatalogIdentity("rest", f"{address} {properties.get('warehouse', '')}".strip(), address)


def is_gone(original: CatalogIdentity, catalog: Catalog) -> bool | None:
    """Whether an earlier catalog no longer exists. None if this cannot be determined.

    Parameters
    ----------
    catalog
        An open catalog, whose connection is used for the check. It can look up databases of its own Postgres cluster.
    """
    if original.kind == "sqlite":
        if os.path.lexists(original.name):
            return False
        # A path on another machine cannot be checked from here.
        return True if original.address in ("", platform.node()) else None
    if original.kind == "postgres":
        found = _database_is_gone(original, catalog)
        return found if found is not None else _is_silent(original.address.partition("/")[0])
    return _is_silent(urlsplit(original.address).netloc or original.address)


def _database_is_gone(original: CatalogIdentity, catalog: Catalog) -> bool | None:
    """Whether the original's database no longer exists in this cluster, or its schema no longer exists in this
    database.
    """
    engine = getattr(catalog, "engine", None)
    if not isinstance(engine, Engine) or engine.url.get_backend_name() != "postgresql":
        return None
    cluster, database, schema = original.name.rsplit("/", 2)
    own = _postgres_identity(engine, "").name.rsplit("/", 2)
    if own[0] != cluster:
        return None
    if own[1] == database:
        asked, name = "select count(*) from pg_namespace where nspname = :name", schema
    else:
        asked, name = "select count(*) from pg_database where datname = :name", database
    with engine.connect() as connection:
        return bool(connection.execute(text(asked), {"name": name}).scalar_one() == 0)


def _is_silent(address: str) -> bool | None:
    """Whether nothing listens at host:port. None if the address has no port."""
    import socket

    parts = urlsplit(f"//{address}")
    if parts.hostname is None or parts.port is None:
        return None
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=3):
            return False
    except OSError:
        return True
