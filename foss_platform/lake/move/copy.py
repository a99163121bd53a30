"""Copying one table into another catalog and store.

See `lake.move.check` for the comparison, `lake.move.move_lake` for which tables are copied, and `lake.move.plan` for
what may be overwritten.

The copy keeps the table's UUID, its columns with their ids, and its last sequence number. Positions
(`lake.table.positions`) refer to UUIDs and sequence numbers, and rows of bronze contain the sequence number of their
commit. So positions and rows remain valid unchanged, and every later commit has a higher number than the copied rows.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import TableAlreadyExistsError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io import load_file_io
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.files.data_files import DataFiles, rows_of, write_data_files
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import build_properties
from foss_platform.lake.table.tables import ensure_namespace, load_table

#: The metadata file of the source. It marks a table as the result of a move.
SOURCE_PROPERTY = "foss.move.source"
#: The source's snapshot, set in the commit of the rows and in that snapshot's summary.
MOVED_PROPERTY = "foss.moved-from"
#: Count and hash of the rows after they were found equal on both sides. It is set last, so a table with this property
#: is complete.
VERIFIED_PROPERTY = "foss.move.verified"

# Not copied, because the target decides where files are stored, and properties of an earlier move are outdated.
_LEFT_OUT = ("write.data.path", "write.metadata.path", SOURCE_PROPERTY, MOVED_PROPERTY, VERIFIED_PROPERTY)


class Phase(StrEnum):
    """The progress of a table's copy."""

    MADE = "made"
    COPYING = "copying"
    COPIED = "copied"
    VERIFIED = "verified"


@dataclass(frozen=True)
class Step:
    """A progress report of a move: a table, the phase of its copy, and the files and rows copied so far."""

    name: TableName
    phase: Phase
    files: int = 0
    rows: int = 0


Progress = Callable[[Step], None]


def make_table(catalog: Catalog, name: TableName, source: Table) -> None:
    """Create the table with the source's identity, columns and properties, but without rows.

    The positions are set in the commit of the rows, so that an empty copy never claims to contain its sources.

    Raises
    ------
    ConfigurationError
        If its files would be stored among the source's files.
    TransientError
        If the store or catalog fails, or another move created the table meanwhile.
    """
    with lake_failures():
        ensure_namespace(catalog, name.namespace)
        # This transaction is never committed. It only shows where the catalog would store the table.
        location = catalog.create_table_transaction(name.identifier, source.schema()).table_metadata.location
        io = load_file_io(dict(catalog.properties), location)
        if _overlap(location, source) and io.new_input(source.metadata_location).exists():
            raise ConfigurationError(
                f"{name} would be stored in {location}, where the source's files are.", "Name another warehouse."
            )
        contained = build_properties(source.properties)
        kept = {k: v for k, v in source.properties.items() if k not in _LEFT_OUT and k not in contained}
        metadata = source.metadata.model_copy(
            update={
                "location": location,
                "last_updated_ms": time.time_ns() // 1_000_000,
                "properties": {**kept, SOURCE_PROPERTY: source.metadata_location},
                "current_snapshot_id": None,
                "snapshots": [],
                "snapshot_log": [],
                "metadata_log": [],
                "refs": {},
                "statistics": [],
                "partition_statistics": [],
            }
        )
        place = f"{location.rstrip('/')}/metadata/00000-{uuid.uuid4()}.metadata.json"
        ToOutputFile.table_metadata(metadata, io.new_output(place))
        try:
            catalog.register_table(name.identifier, place)
        except TableAlreadyExistsError:
            raise disturbed(name) from None


def copy_rows(catalog: Catalog, name: TableName, source: Table, progress: Progress) -> None:
    """Copy all rows and commit them together. At most one file of the source is in memory at a time.

    Raises
    ------
    TransientError
        If a store or catalog fails, or another move committed first. Nothing was committed then.
    """
    added = []
    rows = 0
    with lake_failures():
        table = load_table(catalog, name)
        tasks = list(source.scan().plan_files()) if source.current_snapshot() is not None else []
        for number, task in enumerate(tasks, start=1):
            # Copying file by file keeps the order and the file sizes that the source's maintenance has created.
            written = write_data_files(table, rows_of(source, [task], AlwaysTrue()))
            added += written
            rows += sum(file.record_count for file in written)
            progress(Step(name, Phase.COPYING, number, rows))
    moved = {MOVED_PROPERTY: str(source.metadata.current_snapshot_id)}

    def plan(copies: Table) -> Change:
        ours = copies.properties.get(SOURCE_PROPERTY) == source.metadata_location
        if not ours or copies.current_snapshot() is not None or MOVED_PROPERTY in copies.properties:
            raise disturbed(name)
        return Change(
            files=DataFiles(added),
            properties={**build_properties(source.properties), **moved},
            summary=moved,
        )

    apply_change(catalog, name, plan)


def disturbed(name: TableName) -> TransientError:
    """Return the error for a table of the target that another process is changing."""
    return TransientError(
        f"Another process created or changed {name} at the target. Nothing was overwritten.",
        "Run only one move at a time, and nothing else at the target. Then run the move again.",
    )


def _overlap(location: str, source: Table) -> bool:
    """Whether the locations are equal or one is inside the other. Compares addresses only: equal ones may be in
    different stores.
    """
    here, there = (
        "/".join(PyArrowFileIO.parse_location(place.rstrip("/"), source.io.properties))
        for place in (location, source.location())
    )
    return f"{here}/".startswith(f"{there}/") or f"{there}/".startswith(f"{here}/")
