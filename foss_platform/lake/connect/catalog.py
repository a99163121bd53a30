"""Opening the catalog `lake`, and refusing a wrong or damaged one.

The catalog is configured as PyIceberg defines it (`.pyiceberg.yaml` or `PYICEBERG_CATALOG__LAKE__…`,
https://py.iceberg.apache.org/configuration/). Only the embedded default is the platform's own.
"""

import functools
import logging
import os
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog, load_catalog

from foss_platform.catalog_configuration import CATALOG_NAME, catalog_kind, catalog_properties
from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.connect.postgres import set_timeouts
from foss_platform.lake.store.failures import lake_failures
from foss_platform.settings import Environment, Settings

# How long a commit waits for the lock of another SQLite writer before it fails, in seconds.
_SQLITE_TIMEOUT = 20

_CATALOG_TABLES = 2

_logger = logging.getLogger(__name__)


def open_catalog(settings: Settings, *, create: bool = True, judge: bool = True) -> Catalog:
    """Open the catalog `lake` as configured, or the embedded one under `settings.home`.

    Parameters
    ----------
    settings
        The location of the embedded catalog, and whether one is allowed.
    create
        Whether to create an embedded catalog that does not exist yet. Read-only commands pass False.
    judge
        Whether to report that the lake belongs to another catalog (see `lake.ownership.require_own`): with a warning
        if its files can be read, and with an error otherwise.

    Raises
    ------
    ConfigurationError
        If no catalog is configured in production. If the home's name contains ? or #. If an embedded catalog is missing
        or damaged although its warehouse has tables. If there is no catalog and `create` is false. If the lake was
        moved here and its files are not where its catalog says.
    TransientError
        If the catalog is unreachable.
    """
    catalog = _open(settings, create=create)
    if judge:
        _tell_of_foreign_files(catalog)
    return catalog


def _tell_of_foreign_files(catalog: Catalog) -> None:
    """Warn once per process if the lake belongs to another catalog. Raise if its files cannot even be read."""
    from foss_platform.lake.ownership.mark import ForeignLakeError
    from foss_platform.lake.ownership.require_own import judge

    try:
        ownership = judge(catalog)
    except TransientError:
        # The next read or write fails for the same reason and reports it.
        return
    except ForeignLakeError as error:
        _warn_once(str(error))
        return
    if ownership.is_own:
        return
    if not ownership.can_read:
        raise ForeignLakeError(ownership.problem, ownership.remedy)
    _warn_once(f"{ownership.problem} {ownership.remedy}")


@functools.cache
def _warn_once(text: str) -> None:
    _logger.warning("%s", text)


def _open(settings: Settings, *, create: bool) -> Catalog:
    configured = catalog_properties(os.environ)
    if configured is None and settings.environment is not Environment.LOCAL:
        raise ConfigurationError(
            "FOSS_ENVIRONMENT is production, but no Iceberg catalog named 'lake' is configured.",
            "Set PYICEBERG_CATALOG__LAKE__URI and PYICEBERG_CATALOG__LAKE__WAREHOUSE, or write .pyiceberg.yaml.",
        )
    from sqlalchemy import URL

    with lake_failures():
        if configured is not None:
            return open_configured(configured)
        if set("?#") & set(str(settings.home)):
            raise ConfigurationError(
                f"The lake cannot be stored in {settings.home}: Iceberg's readers treat ? and # as parts of a URL.",
                "Choose a folder without these characters, e.g. with FOSS_HOME.",
            )
        database = catalog_database(settings)
        _refuse_lost_catalog(database, warehouse_folder(settings), create=create)
        database.parent.mkdir(parents=True, exist_ok=True)
        address = URL.create("sqlite", database=str(database), query={"timeout": str(_SQLITE_TIMEOUT)})
        return _sql_catalog(
            {
                "uri": address.render_as_string(),
                # Not as_uri(): Iceberg's readers do not decode a location, so %20 would be part of a folder's name.
                "warehouse": f"file://{warehouse_folder(settings)}",
                "schema_version": "v1",
            }
        )


def open_configured(properties: Mapping[str, Any]) -> Catalog:
    """Return a catalog with these properties only. `load_catalog` would add the environment variables that were set
    when PyIceberg was imported.
    """
    kind = catalog_kind(properties)
    if kind == "rest":
        from foss_platform.lake.connect.rest import BoundedRestCatalog

        return BoundedRestCatalog(CATALOG_NAME, **properties)
    if kind == "sql":
        return set_timeouts(_sql_catalog(properties))
    return load_catalog(CATALOG_NAME, **properties)


def _sql_catalog(properties: Mapping[str, Any]) -> Catalog:
    """Return PyIceberg's SQL catalog. Creates its database tables if they are missing. Several processes may do this at
    once.
    """
    from sqlalchemy.exc import DBAPIError

    # One try per database table, because another process may create each table just before this process does.
    from foss_platform.lake.connect.guard import GuardedSqlCatalog

    for _ in range(_CATALOG_TABLES):
        try:
            return GuardedSqlCatalog(CATALOG_NAME, **properties)
        except DBAPIError as error:
            if not re.search("already exists|duplicate key", str(error.orig)):
                raise
    return GuardedSqlCatalog(CATALOG_NAME, **properties)


def catalog_database(settings: Settings) -> Path:
    """The SQLite file of the embedded catalog."""
    return settings.home / "catalog.db"


def warehouse_folder(settings: Settings) -> Path:
    """The folder of the embedded warehouse."""
    return settings.home / "warehouse"


def _refuse_lost_catalog(database: Path, warehouse: Path, *, create: bool) -> None:
    # Look at the warehouse before the catalog. A process that is just starting creates its catalog before its first
    # table, so its tables are not taken for tables without a catalog.
    holds_tables = next(warehouse.glob("*/*/metadata/*.metadata.json"), None) is not None
    if _has_catalog_tables(database):
        return
    if holds_tables:
        raise ConfigurationError(
            f"The catalog {database} is missing or empty, but the warehouse {warehouse} still holds tables.",
            "Restore the catalog from a backup. To create a new lake instead, move the warehouse away first.",
        )
    if not create:
        raise ConfigurationError(
            f"There is no lake at {database.parent} yet.",
            "Run `foss run` with a pipeline to poll it once, or set FOSS_HOME to the folder of the lake.",
        )


def _has_catalog_tables(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        # mode=rw instead of ro: a writer that was killed during a commit leaves a journal. Only a connection that may
        # write can roll this journal back.
        # Close explicitly: the context manager of a sqlite3 connection only ends the transaction.
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=_SQLITE_TIMEOUT)
        try:
            found = connection.execute("select 1 from sqlite_master where name = 'iceberg_tables'").fetchone()
            # This check takes 0.1 ms. Without it, SQLite would write to a file whose last page is truncated.
            (sound,) = connection.execute("pragma quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return True
        raise ConfigurationError(
            f"The catalog {database} cannot be read: {error}.",
            "Restore it from a backup; the tables in the warehouse are untouched.",
        ) from error
    if sound != "ok":
        raise ConfigurationError(
            f"The catalog {database} is damaged: {sound.splitlines()[-1]}.",
            "Restore it from a backup; the tables in the warehouse are untouched.",
        )
    return found is not None
