"""Opening the catalog `lake`. What belongs here: which catalog, and refusing a wrong one; what does not: tables.

The catalog is PyIceberg's own configuration (`.pyiceberg.yaml` or `PYICEBERG_CATALOG__LAKE__…`,
https://py.iceberg.apache.org/configuration/). Only the embedded default is ours.
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
from foss_platform.errors import ConfigurationError, PassingError
from foss_platform.lake.connect.postgres import bound_waiting
from foss_platform.lake.store.failures import lake_failures
from foss_platform.settings import Environment, Settings

# seconds that SQLite waits for another writer's lock before a commit counts as failed
_SQLITE_TIMEOUT = 20

_CATALOG_TABLES = 2

_logger = logging.getLogger(__name__)


def open_catalog(settings: Settings, *, create: bool = True, judge: bool = True) -> Catalog:
    """Open the catalog `lake` as configured, or the embedded one under `settings.home`.

    Parameters
    ----------
    settings
        Decides where the embedded catalog lies and whether there may be one.
    create
        Whether an embedded catalog that does not exist yet is made. Commands that only read say no.
    judge
        Whether a lake that belongs to another catalog is told of (`lake.ownership.ownership`): by a warning if it can be read.

    Raises
    ------
    ConfigurationError
        When production names no catalog, when the home's name has a ? or #, when an embedded catalog
        is missing or damaged although its warehouse holds tables, when there is none and `create` is
        false, or when the lake was moved here and its files are not where its catalog says.
    PassingError
        When the catalog cannot be reached now.
    """
    catalog = _open(settings, create=create)
    if judge:
        _tell_of_foreign_files(catalog)
    return catalog


def _tell_of_foreign_files(catalog: Catalog) -> None:
    """Warn once for each process, or refuse if nothing could be read anyway."""
    from foss_platform.lake.ownership.mark import ForeignLakeError
    from foss_platform.lake.ownership.ownership import judge

    try:
        standing = judge(catalog)
    except PassingError:
        # whoever reads or writes meets the same, and says so
        return
    except ForeignLakeError as error:
        _warn_once(str(error))
        return
    if standing.is_own:
        return
    if not standing.can_read:
        raise ForeignLakeError(standing.problem, standing.remedy)
    _warn_once(f"{standing.problem} {standing.remedy}")


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
                f"No lake can lie at {settings.home}: Iceberg's readers take ? and # as parts of a URL.",
                "Choose a folder without them, e.g. by FOSS_HOME.",
            )
        database = catalog_database(settings)
        _refuse_lost_catalog(database, warehouse_folder(settings), create=create)
        database.parent.mkdir(parents=True, exist_ok=True)
        address = URL.create("sqlite", database=str(database), query={"timeout": str(_SQLITE_TIMEOUT)})
        return _sql_catalog(
            {
                "uri": address.render_as_string(),
                # not as_uri(): Iceberg's readers take a location as it stands, so %20 would be part of a folder's name
                "warehouse": f"file://{warehouse_folder(settings)}",
                "schema_version": "v1",
            }
        )


def open_configured(properties: Mapping[str, Any]) -> Catalog:
    """A catalog by these properties alone; `load_catalog` would add what the environment said at PyIceberg's import."""
    kind = catalog_kind(properties)
    if kind == "rest":
        from foss_platform.lake.connect.rest import BoundedRestCatalog

        return BoundedRestCatalog(CATALOG_NAME, **properties)
    if kind == "sql":
        return bound_waiting(_sql_catalog(properties))
    return load_catalog(CATALOG_NAME, **properties)


def _sql_catalog(properties: Mapping[str, Any]) -> Catalog:
    """PyIceberg's SQL catalog; its tables are made where they are missing, also by several at the same time."""
    from sqlalchemy.exc import DBAPIError

    # one try for each of its tables: another process may make the next one just before us too
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
    # the warehouse first: another process that starts the lake now makes the catalog before its first table
    holds_tables = next(warehouse.glob("*/*/metadata/*.metadata.json"), None) is not None
    if _has_catalog_tables(database):
        return
    if holds_tables:
        raise ConfigurationError(
            f"The catalog {database} is missing or empty, but the warehouse {warehouse} still holds tables.",
            "Restore the catalog from a backup; to start anew, move the warehouse away first.",
        )
    if not create:
        raise ConfigurationError(
            f"There is no lake at {database.parent} yet.",
            "Run `foss run stavanger_parking` to poll the feed once, or set FOSS_HOME to where the lake lies.",
        )


def _has_catalog_tables(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        # rw and not ro: a writer killed in mid-commit leaves a journal, which only who may write can roll back
        # closing matters: a sqlite3 connection's own context manager only ends the transaction
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=_SQLITE_TIMEOUT)
        try:
            found = connection.execute("select 1 from sqlite_master where name = 'iceberg_tables'").fetchone()
            # 0.1 ms; without it a file whose last page is cut off is written on
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
