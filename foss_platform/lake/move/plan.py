"""Planning a move: find a consistent state of the source and the state of each copy, and refuse an unsafe move.

Planning changes nothing (see `lake.move.move_lake`). Properties of the copies show how far an earlier move got. A
table may be dropped only if a move created it and nobody has written to it since.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, PermanentError, TransientError
from foss_platform.lake.move.copy import MOVED_PROPERTY, SOURCE_PROPERTY, VERIFIED_PROPERTY
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.statistics import TableSize, table_size
from foss_platform.lake.table.tables import list_tables, load_tables

_TRIES = 3


class MoveStatus(StrEnum):
    """The state of a table at the target."""

    MISSING = "to copy"
    EMPTY = "to copy: created by an interrupted move"
    UNVERIFIED = "to verify"
    STALE = "to copy again: the source has changed"
    COMPLETE = "complete"


@dataclass(frozen=True)
class TableMove:
    """One table of a move: one state of its source, and the state of its copy at the target."""

    name: TableName
    source: Table
    size: TableSize
    status: MoveStatus


@dataclass(frozen=True)
class MovePlan:
    """The plan of a move.

    Attributes
    ----------
    sources
        All tables of the source in one consistent state, including tables that were not selected.
    """

    tables: tuple[TableMove, ...]
    sources: Mapping[TableName, Table]


def plan_move(source: Catalog, target: Catalog | None, only: Collection[TableName] = ()) -> MovePlan:
    """Inspect both sides and refuse an unsafe move. Writes nothing.

    Parameters
    ----------
    target
        The target's catalog. None if it does not exist yet.
    only
        The tables to move. Empty for all.

    Raises
    ------
    ConfigurationError
        If there is nothing to move, or the target is the source itself or has tables that no move created.
    PermanentError
        If both the target and the source have changed since an earlier move, or a table is partitioned.
    TransientError
        If the source is being written to, or a catalog or store does not answer.
    """
    sources = _one_state(source)
    if unknown := sorted(str(name) for name in set(only) - sources.keys()):
        raise ConfigurationError(
            f"The lake has no table {', '.join(unknown)}.", f"Known tables: {', '.join(map(str, sources))}."
        )
    if not sources:
        raise ConfigurationError("The lake has no table yet, so there is nothing to move.")
    if partitioned := [
        str(name)
        for name, table in sources.items()
        if (not only or name in only) and not table.spec().is_unpartitioned()
    ]:
        raise PermanentError(
            f"Partitioned tables cannot be moved: {', '.join(partitioned)}.",
            "No model or feed creates partitioned tables. Select the other tables with --table.",
        )
    copies = load_tables(target, list_tables(target)) if target is not None else {}
    _refuse_foreign(sources, copies)
    moves = [
        TableMove(name, table, table_size(table), _status(name, table, copies.get(name)))
        for name, table in sources.items()
    ]
    return MovePlan(tuple(move for move in moves if not only or move.name in only), sources)


def has_later_commits(copy: Table) -> bool:
    """Whether the copy has a commit that is not from a move, even if that commit only set a property."""
    commits = (MOVED_PROPERTY in copy.properties) + (VERIFIED_PROPERTY in copy.properties)
    return len(copy.metadata.metadata_log) > commits or any(
        snapshot.summary is None or MOVED_PROPERTY not in snapshot.summary.additional_properties
        for snapshot in copy.metadata.snapshots
    )


def _one_state(catalog: Catalog) -> dict[TableName, Table]:
    """Return all tables in the state of one moment, because a derived table must not be newer than its sources."""
    for _ in range(_TRIES):
        tables = load_tables(catalog, list_tables(catalog))
        again = {name: table.metadata_location for name, table in load_tables(catalog, list_tables(catalog)).items()}
        if again == {name: table.metadata_location for name, table in tables.items()}:
            return tables
    raise TransientError(
        "The lake changes constantly, so there is no consistent state to move.", "Stop polls and builds."
    )


def _refuse_foreign(sources: Mapping[TableName, Table], copies: Mapping[TableName, Table]) -> None:
    if any(name in sources and sources[name].metadata_location == t.metadata_location for name, t in copies.items()):
        raise ConfigurationError("The target is the lake itself.", "Name another catalog and warehouse.")
    foreign = [
        str(name)
        for name, table in copies.items()
        if SOURCE_PROPERTY not in table.properties
        or name not in sources
        or table.metadata.table_uuid != sources[name].metadata.table_uuid
    ]
    if foreign:
        raise ConfigurationError(
            f"The target has tables that are not copies of this lake's tables: {', '.join(foreign)}. Nothing "
            "was changed.",
            "Name an empty catalog, or drop these tables there if they are not needed.",
        )


def _status(name: TableName, source: Table, copy: Table | None) -> MoveStatus:
    if copy is None:
        return MoveStatus.MISSING
    of_this_state = copy.properties[SOURCE_PROPERTY] == source.metadata_location
    if of_this_state and VERIFIED_PROPERTY in copy.properties:
        return MoveStatus.COMPLETE
    if has_later_commits(copy):
        raise PermanentError(
            f"{name} was written to both here and at the target since it was moved. Nothing was changed.",
            "Let only one of the two lakes poll. To move again, drop the target's tables first. Data that only "
            "the target received is then lost.",
        )
    if not of_this_state:
        return MoveStatus.STALE
    return MoveStatus.UNVERIFIED if MOVED_PROPERTY in copy.properties else MoveStatus.EMPTY
