"""The files of dropped tables: they survive the maintenance of other tables, and are deleted after the retention."""

from collections.abc import Iterator
from datetime import datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import StaticTable, Table

from foss_platform.lake.files.table_files import Storage, StoredFile
from foss_platform.lake.maintenance.dropped_tables import Dropped, dropped_tables, warehouse
from foss_platform.lake.ownership.locations import table_location, table_locations
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.store.warehouse import Place


def tables_in_place(catalog: Catalog, storage: Storage) -> Iterator[Table]:
    """Yield the dropped tables in the same folder as a table, so that the table's maintenance keeps their files."""
    for dropped in dropped_tables(catalog):
        table = _static(catalog, dropped)
        if table is None:
            continue
        other = Storage(table).place
        if f"{other}/".startswith(f"{storage.place}/") or f"{storage.place}/".startswith(f"{other}/"):
            yield table


def remove_for_good(catalog: Catalog, now: datetime, *, dry_run: bool = False) -> list[StoredFile]:
    """Delete and return the files of the dropped tables whose retention has ended.

    Raises
    ------
    TransientError
        If the store refuses. The next cleanup deletes the rest.
    """
    gone: list[StoredFile] = []
    due = [dropped for dropped in dropped_tables(catalog) if dropped.keep_until <= now]
    if due and not dry_run:
        require_own(catalog)
    for dropped in due:
        with lake_failures():
            files = _own_files(catalog, dropped)
            gone += files
            if dry_run:
                continue
            if files and (table := _static(catalog, dropped)) is not None:
                storage = Storage(table)
                last = storage.path_of(dropped.metadata)
                # Delete the last metadata file at the end. If this run is interrupted, the next cleanup needs this file
                # to find the others.
                for _ in storage.delete_all([file.path for file in files if file.path != last]):
                    pass
                storage.delete(last)
            warehouse(catalog).delete(dropped.file)
    return gone


def _own_files(catalog: Catalog, dropped: Dropped) -> list[StoredFile]:
    """Return all files of a dropped table. Empty if another table is in the same folder: the maintenance of that table
    deletes the files then.
    """
    table = _static(catalog, dropped)
    if table is None:
        return []
    storage = Storage(table)
    for _, metadata in table_locations(catalog):
        other = Place(table_location(metadata), catalog.properties).real
        if f"{other}/".startswith(f"{storage.place}/") or f"{storage.place}/".startswith(f"{other}/"):
            return []
    return list(storage.list_files())


def _static(catalog: Catalog, dropped: Dropped) -> Table | None:
    """Return the table from its last metadata, or None if the metadata is gone."""
    with lake_failures():
        try:
            return StaticTable.from_metadata(dropped.metadata, {key: str(v) for key, v in catalog.properties.items()})
        except FileNotFoundError:
            return None
