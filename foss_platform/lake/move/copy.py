"""Copying one table into another catalog and store.

What belongs here: making the table there, and its rows. What does not: comparing (`lake.move.check`), which tables
are copied (`lake.move.move_lake`), and what may be overwritten (`lake.move.plan`).

The copy keeps the table's UUID, columns with their ids, and last sequence number. Positions (`lake.table.positions`) name
UUIDs and sequence numbers, and rows of bronze bear the number of the commit that brought them; so all of them stay
true without being rewritten, and whatever is committed there has a higher number than every copied row.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import TableAlreadyExistsError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io import load_file_io
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, PassingError
from foss_platform.lake.commit.changes import Change, apply_change
from foss_platform.lake.files.data_files import DataFiles, rows_of, write_data_files
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import build_properties
from foss_platform.lake.table.tables import ensure_namespace, load_table

#: The source's metadata file that a table is the copy of; it says that a move made the table.
SOURCE_PROPERTY = "foss.move.source"
#: The source's snapshot, set in the commit that brings the rows; also in that snapshot's summary.
MOVED_PROPERTY = "foss.moved-from"
#: Count and hash of the rows, the same on both sides: set last, so what has it is complete.
VERIFIED_PROPERTY = "foss.move.verified"

# where a table's files lie is the target's business, and what an earlier move noted is past
_LEFT_OUT = ("write.data.path", "write.metadata.path", SOURCE_PROPERTY, MOVED_PROPERTY, VERIFIED_PROPERTY)


class Phase(StrEnum):
    """How far the copy of a table has come."""

    MADE = "made"
    COPYING = "copying"
    COPIED = "copied"
    VERIFIED = "verified"


@dataclass(frozen=True)
class Step:
    """One step of a move, for whoever watches: a table, what was just done, and its files so far."""

    name: TableName
    phase: Phase
    files: int = 0
    rows: int = 0


Progress = Callable[[Step], None]


def make_table(catalog: Catalog, name: TableName, source: Table) -> None:
    """Make the table with the source's identity, columns and properties, and no row.

    The positions come with the rows: until then nobody may believe that the table contains anything.

    Raises
    ------
    ConfigurationError
        When its files would lie among the source's.
    PassingError
        When the store or catalog fails, or another move made it meanwhile.
    """
    with lake_failures():
        ensure_namespace(catalog, name.namespace)
        # never committed: it only tells where the catalog wants the table to lie
        location = catalog.create_table_transaction(name.identifier, source.schema()).table_metadata.location
        io = load_file_io(dict(catalog.properties), location)
        if _overlap(location, source) and io.new_input(source.metadata_location).exists():
            raise ConfigurationError(
                f"{name} would come to lie at {location}, where the source's files are.", "Name another warehouse."
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


def copy_rows(catalog: Catalog, name: TableName, source: Table, notes: Mapping[str, str], progress: Progress) -> None:
    """Copy all rows, one file of the source in memory at a time, and commit them at once.

    Parameters
    ----------
    notes
        For the summary of the snapshot: what the source's snapshots held that is still needed.

    Raises
    ------
    PassingError
        When a store or catalog fails, or another move was quicker; nothing was committed then.
    """
    added = []
    rows = 0
    with lake_failures():
        table = load_table(catalog, name)
        tasks = list(source.scan().plan_files()) if source.current_snapshot() is not None else []
        for number, task in enumerate(tasks, start=1):
            # file by file also keeps the order and the sizes that the source's maintenance gave them
            written = write_data_files(table, rows_of(source, [task], AlwaysTrue()))
            added += written
            rows += sum(file.record_count for file in written)
            progress(Step(name, Phase.COPYING, number, rows))
    moved = {MOVED_PROPERTY: str(source.metadata.current_snapshot_id)}

    def plan(standing: Table) -> Change:
        ours = standing.properties.get(SOURCE_PROPERTY) == source.metadata_location
        if not ours or standing.current_snapshot() is not None or MOVED_PROPERTY in standing.properties:
            raise disturbed(name)
        return Change(
            files=DataFiles(added),
            properties={**build_properties(source.properties), **moved},
            summary={**notes, **moved},
        )

    apply_change(catalog, name, plan)


def disturbed(name: TableName) -> PassingError:
    """Somebody else is at work on a table of the target."""
    return PassingError(
        f"Another process made or changed {name} at the target; nothing of it was overwritten.",
        "Let one move run at a time, and nothing else at the target; then run it again.",
    )


def _overlap(location: str, source: Table) -> bool:
    """Whether the places are the same or one lies in the other, as they are spelled; stores may still differ."""
    here, there = (
        "/".join(PyArrowFileIO.parse_location(place.rstrip("/"), source.io.properties))
        for place in (location, source.location())
    )
    return f"{here}/".startswith(f"{there}/") or f"{there}/".startswith(f"{here}/")
