"""Tables that were dropped and can be restored: the catalog forgets them, and a record in the warehouse does not.

The files stay where they are for as long as the table's policy promised to keep its past. After that the clean-up
removes them, and the record last. What belongs here: dropping and restoring. What does not: the files
(`lake.maintenance.dropped_files`), and whether a table may be dropped (`transform.makers`).
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, LastingError
from foss_platform.lake.ownership.locations import warehouse_of
from foss_platform.lake.ownership.ownership import require_own
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.store.warehouse import Place
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import policy_of
from foss_platform.lake.table.tables import ensure_namespace, find_table, load_table

#: The folder of the records, at the root of the warehouse.
RECORDS = "foss-dropped"


@dataclass(frozen=True)
class Dropped:
    """The record of a dropped table.

    Attributes
    ----------
    metadata
        The location of its last metadata, from which it is restored.
    keep_until
        When its files may go (UTC).
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
        """As the file holds it."""
        return json.dumps(asdict(self), indent=1, default=datetime.isoformat).encode()


def keep_for(table: Table) -> timedelta:
    """How long a dropped table can be restored: for as long as its policy keeps its past."""
    policy = policy_of(table.properties, ".".join(table.name()))
    return max(timedelta(days=policy.keep_days), timedelta(hours=policy.keep_hours), policy.spare)


def drop_table(catalog: Catalog, name: TableName, now: datetime) -> Dropped:
    """Take a table out of the catalog, and note how to restore it.

    Raises
    ------
    ConfigurationError
        If there is no such table, or the catalog does not tell where its warehouse is.
    PassingError
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
            # the record first: a drop that is ended in between changes nothing, and one without it loses the table
            place.write(dropped.file, dropped.content())
            if load_table(catalog, name).metadata_location == table.metadata_location:
                catalog.drop_table(name.identifier)
                return dropped


def restore_table(catalog: Catalog, name: TableName) -> Dropped:
    """Register a dropped table again, as it was when it was dropped; of several of one name, the last one dropped.

    Raises
    ------
    ConfigurationError
        If no dropped table has that name, or a table of that name exists.
    LastingError
        If its files are gone.
    """
    require_own(catalog)
    found = [dropped for dropped in dropped_tables(catalog) if dropped.name == name]
    if not found:
        kept = ", ".join(dropped.table for dropped in dropped_tables(catalog))
        raise ConfigurationError(
            f"No dropped table {name} can be restored.", f"These can: {kept}." if kept else "There is none."
        )
    dropped = found[-1]
    with lake_failures():
        ensure_namespace(catalog, name.namespace)
        try:
            catalog.register_table(name.identifier, dropped.metadata)
        except TableAlreadyExistsError:
            raise ConfigurationError(
                f"There is a table {name} again, so the one that was dropped cannot be restored.",
                f"Drop the present one first: foss drop {name}.",
            ) from None
        except FileNotFoundError:
            raise LastingError(
                f"{name} cannot be restored: its metadata {dropped.metadata} is gone.", "Restore it from a backup."
            ) from None
        warehouse(catalog).delete(dropped.file)
    return dropped


def dropped_tables(catalog: Catalog) -> list[Dropped]:
    """All that can still be restored, the last one dropped at the end.

    Raises
    ------
    LastingError
        If a record cannot be read.
    PassingError
        If the store does not answer.
    """
    return [dropped for dropped in _records(catalog) if not _is_in_catalog(catalog, dropped)]


def _is_in_catalog(catalog: Catalog, dropped: Dropped) -> bool:
    """Whether the drop was ended before the catalog forgot the table, or a restoring before the record was removed."""
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
    """A record by its file's name; None if it is gone meanwhile.

    Raises
    ------
    LastingError
        If it is not a record.
    """
    content = place.read(f"{RECORDS}/{name}")
    if content is None:
        return None
    try:
        found = json.loads(content)
        dropped_at, keep_until = (datetime.fromisoformat(found.pop(key)) for key in ("dropped_at", "keep_until"))
        return Dropped(**found, dropped_at=dropped_at, keep_until=keep_until)
    except (ValueError, KeyError, TypeError):
        raise LastingError(
            f"The record of a dropped table, {place.location}/{RECORDS}/{name}, cannot be read.",
            "Restore it from a backup. Nothing of a dropped table is removed meanwhile.",
        ) from None


def warehouse(catalog: Catalog) -> Place:
    """Where the records are.

    Raises
    ------
    ConfigurationError
        If the catalog does not tell.
    """
    place = warehouse_of(catalog)
    if place is None:
        raise ConfigurationError(
            "The catalog does not tell where its warehouse is, so a dropped table could not be noted.",
            "Set PYICEBERG_CATALOG__LAKE__WAREHOUSE.",
        )
    return place
