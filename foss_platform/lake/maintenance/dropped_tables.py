"""Dropping and restoring tables: a drop removes the table from the catalog and writes a record to the warehouse.

The files are kept for as long as the table's policy retains its history. Then the cleanup deletes the files, and
finally the record. See `lake.maintenance.dropped_files` for the files, and `transform.producers` for whether a
table may be dropped.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, PermanentError
from foss_platform.lake.ownership.locations import warehouse_of
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.store.warehouse import Place
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import policy_of
from foss_platform.lake.table.tables import ensure_namespace, find_table, load_table

#: The folder of the records of dropped tables, at the root of the warehouse.
RECORDS = "foss-dropped"


@dataclass(frozen=True)
class Dropped:
    """The record of a dropped table.

    Attributes
    ----------
    metadata
        The location of the table's last metadata file, from which the table is restored.
    keep_until
        The time from which the table's files may be deleted (UTC).
    """

    table: str
    table_uuid: str
    metadata: str
    location: str
    dropped_at: datetime
    keep_until: datetime

    @property
    def name(self) -> TableName:
        """The table's name."""
        return TableName(*self.table.split(".", 1))

    @property
    def file(self) -> str:
        """The record's path below the warehouse."""
        return f"{RECORDS}/{self.table}.{self.table_uuid}.json"

    def content(self) -> bytes:
        """Return the content of the record file."""
        return json.dumps(asdict(self), indent=1, default=datetime.isoformat).encode()


def keep_for(table: Table) -> timedelta:
    """Return how long a dropped table can be restored: as long as its policy retains its history."""
    policy = policy_of(table.properties, ".".join(table.name()))
    return max(timedelta(days=policy.keep_days), timedelta(hours=policy.keep_hours), policy.keep_unreferenced)


def drop_table(catalog: Catalog, name: TableName, now: datetime) -> Dropped:
    """Remove a table from the catalog, and record how to restore it.

    Raises
    ------
    ConfigurationError
        If the table does not exist, or the location of the warehouse is unknown.
    TransientError
        If the store or catalog fails.
    """
    require_own(catalog)
    place = warehouse(catalog)
    while True:
        table = load_table(catalog, name)
        until = now + keep_for(table)
        dropped = Dropped(
            str(name), table.metadata.table_uuid.hex, table.metadata_location, table.location(), now, until
        )
        with lake_failures():
            # Write the record before the drop. If this is interrupted in between, the table is still in the catalog.
            # In the opposite order, the table would be lost.
            place.write(dropped.file, dropped.content())
            if load_table(catalog, name).metadata_location == table.metadata_location:
                catalog.drop_table(name.identifier)
                return dropped


def restore_table(catalog: Catalog, name: TableName) -> Dropped:
    """Register a dropped table again, in its state at the drop. If several dropped tables have this name, restore the
    one that was dropped last.

    Raises
    ------
    ConfigurationError
        If no dropped table has that name, or a table of that name exists.
    PermanentError
        If its files are gone.
    """
    require_own(catalog)
    found = [dropped for dropped in dropped_tables(catalog) if dropped.name == name]
    if not found:
        kept = ", ".join(dropped.table for dropped in dropped_tables(catalog))
        raise ConfigurationError(
            f"No dropped table {name} can be restored.",
            f"Restorable tables: {kept}." if kept else "No table can be restored.",
        )
    dropped = found[-1]
    with lake_failures():
        ensure_namespace(catalog, name.namespace)
        try:
            catalog.register_table(name.identifier, dropped.metadata)
        except TableAlreadyExistsError:
            raise ConfigurationError(
                f"A table {name} exists again, so the dropped one cannot be restored.",
                f"Drop the existing table first: foss drop {name}.",
            ) from None
        except FileNotFoundError:
            raise PermanentError(
                f"{name} cannot be restored: its metadata {dropped.metadata} is gone.", "Restore it from a backup."
            ) from None
        warehouse(catalog).delete(dropped.file)
    return dropped


def dropped_tables(catalog: Catalog) -> list[Dropped]:
    """Return all tables that can still be restored, in the order in which they were dropped.

    Raises
    ------
    PermanentError
        If a record cannot be read.
    TransientError
        If the store does not answer.
    """
    return [dropped for dropped in _records(catalog) if not _is_in_catalog(catalog, dropped)]


def _is_in_catalog(catalog: Catalog, dropped: Dropped) -> bool:
    """Whether the table is in the catalog although it has a record. This happens if a drop was interrupted before the
    catalog was changed, or a restore before the record was deleted.
    """
    try:
        table = find_table(catalog, dropped.name)
    except NoSuchTableError:
        return False
    return table is not None and table.metadata.table_uuid.hex == dropped.table_uuid


def _records(catalog: Catalog) -> list[Dropped]:
    place = warehouse_of(catalog)
    if place is None:
        return []
    with lake_failures():
        found = [read_record(place, name) for name in place.names(RECORDS)]
    return sorted((dropped for dropped in found if dropped is not None), key=lambda dropped: dropped.dropped_at)


def read_record(place: Place, name: str) -> Dropped | None:
    """Return a record by its file name, or None if it has been deleted meanwhile.

    Raises
    ------
    PermanentError
        If the file is not a record.
    """
    content = place.read(f"{RECORDS}/{name}")
    if content is None:
        return None
    try:
        found = json.loads(content)
        dropped_at, keep_until = (datetime.fromisoformat(found.pop(key)) for key in ("dropped_at", "keep_until"))
        return Dropped(**found, dropped_at=dropped_at, keep_until=keep_until)
    except (ValueError, KeyError, TypeError):
        raise PermanentError(
            f"The record of a dropped table, {place.location}/{RECORDS}/{name}, cannot be read.",
            "Restore it from a backup. Until then, no files of dropped tables are deleted.",
        ) from None


def warehouse(catalog: Catalog) -> Place:
    """Return the warehouse, which contains the records.

    Raises
    ------
    ConfigurationError
        If the location of the warehouse is unknown.
    """
    place = warehouse_of(catalog)
    if place is None:
        raise ConfigurationError(
            "The catalog does not say where its warehouse is, so a dropped table cannot be recorded.",
            "Set PYICEBERG_CATALOG__LAKE__WAREHOUSE.",
        )
    return place
