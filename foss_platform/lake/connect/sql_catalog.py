"""The SQL catalog: ordered commits, several tables in one transaction, and metadata that is read once.

See `lake.connect.catalog` for opening it, `lake.connect.switch` for the transaction, and `lake.connect.commit_order`
for the order.
"""

import re
from collections.abc import Sequence
from threading import Lock
from typing import Any

from cachetools import LRUCache
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate, update_table_metadata
from pyiceberg.typedef import Identifier

from foss_platform.lake.connect.commit_order import in_order, with_times_in_order
from foss_platform.lake.connect.staged import ConflictError, Staged
from foss_platform.lake.connect.switch import Switch, metadata_locations, switch_tables

# Tables whose metadata stays in memory, with 0.12 MB for each table that has 20 live snapshots.
_KNOWN_TABLES = 500


class TransactionalSqlCatalog(SqlCatalog):
    """A SQL catalog that switches several tables in one transaction.

    No commit to a table is older than the previous one. A metadata file is read once, because it never changes.
    """

    #: See `StagingCatalog`.
    commits_together = True

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._known: LRUCache[Identifier, tuple[str, TableMetadata, FileIO]] = LRUCache(_KNOWN_TABLES)
        self._lock = Lock()

    def load_table(self, identifier: str | Identifier) -> Table:
        """As `SqlCatalog.load_table`."""
        wanted = self.identifier_to_tuple(identifier)
        found = self.load_tables([wanted])
        if wanted not in found:
            raise NoSuchTableError(f"Table does not exist: {'.'.join(wanted)}")
        return found[wanted]

    def load_tables(self, identifiers: Sequence[Identifier]) -> dict[Identifier, Table]:
        """See `StagingCatalog.load_tables`."""
        locations = metadata_locations(self.engine, self.name, identifiers)
        return {identifier: self._load(identifier, location) for identifier, location in locations.items()}

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """As `SqlCatalog.commit_table`. Called by PyIceberg's own transactions."""
        try:
            base = self.load_table(table.name())
        except NoSuchTableError:
            return super().commit_table(table, requirements, updates)
        staged = self.stage(base, requirements, updates)
        assert staged.table is not None
        if staged.table is not base:
            try:
                self.switch([staged])
            except ConflictError:
                base.io.delete(staged.table.metadata_location)
                raise
        return CommitTableResponse.model_construct(
            metadata=staged.table.metadata, metadata_location=staged.table.metadata_location
        )

    def stage(
        self, base: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> Staged:
        """See `StagingCatalog.stage`. If nothing changes, no file is written and the staged table is `base`."""
        for requirement in requirements:
            requirement.validate(base.metadata)
        before = base.metadata
        updated = update_table_metadata(before, in_order(before, updates), metadata_location=base.metadata_location)
        if updated == before:
            return Staged(base, requirements, updates, base)
        metadata = with_times_in_order(before, updated)
        places = load_location_provider(metadata.location, metadata.properties)
        location = places.new_table_metadata_file_location(_version(base.metadata_location) + 1)
        # The name contains a UUID, so looking for an existing file would be a request for nothing.
        ToOutputFile.table_metadata(metadata, base.io.new_output(location), overwrite=True)
        return Staged(base, requirements, updates, Table(base.name(), metadata, location, base.io, self))

    def switch(self, staged: Sequence[Staged]) -> list[Table]:
        """See `StagingCatalog.switch`."""
        tables = [change.table or change.base for change in staged]
        switches = [
            Switch(change.identifier, change.base.metadata_location, table.metadata_location)
            for change, table in zip(staged, tables, strict=True)
            if table is not change.base
        ]
        switch_tables(self.engine, self.name, switches, self.properties)
        with self._lock:
            for table in tables:
                self._known[table.name()] = (table.metadata_location, table.metadata, table.io)
        return tables

    def _load(self, identifier: Identifier, location: str) -> Table:
        with self._lock:
            known = self._known.get(identifier)
        if known is None or known[0] != location:
            file = load_file_io(self.properties, location).new_input(location)
            metadata = FromInputFile.table_metadata(file)
            known = (location, metadata, load_file_io({**self.properties, **metadata.properties}, location))
            with self._lock:
                self._known[identifier] = known
        _, metadata, io = known
        return Table(identifier, metadata, location, io, self)


def _version(metadata_location: str) -> int:
    """Return the version in the name of a metadata file, such as 12 of `00012-….metadata.json`. 0 if it has none."""
    found = re.match(r"(\d+)-", metadata_location.rpartition("/")[2])
    return int(found[1]) if found else 0
