"""Planning a move: one state of the source, how each table stands at the target, and what is refused.

What belongs here: looking. What does not: changing anything (`lake.move.move_lake`). The target's own properties say how far
an earlier move came. Only what a move made, and nobody wrote to since, may ever be dropped.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, LastingError, PassingError
from foss_platform.lake.move.copy import MOVED_PROPERTY, SOURCE_PROPERTY, VERIFIED_PROPERTY
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.statistics import TableSize, table_size
from foss_platform.lake.table.tables import list_tables, load_table

_TRIES = 3


class Standing(StrEnum):
    """How a table stands at the target."""

    MISSING = "to copy"
    EMPTY = "to copy: made by a move that was ended"
    UNVERIFIED = "to verify"
    STALE = "to copy anew: the source has changed"
    COMPLETE = "complete"


@dataclass(frozen=True)
class TableMove:
    """One table: what is to be copied, pinned to one state, and how it stands at the target."""

    name: TableName
    source: Table
    size: TableSize
    standing: Standing


@dataclass(frozen=True)
class MovePlan:
    """What a move is to do.

    Attributes
    ----------
    sources
        All tables of the source in one state, also those that were not asked for.
    """

    tables: tuple[TableMove, ...]
    sources: Mapping[TableName, Table]


def plan_move(source: Catalog, target: Catalog | None, only: Collection[TableName] = ()) -> MovePlan:
    """Look at both sides and refuse what cannot be moved safely; writes nothing.

    Parameters
    ----------
    target
        None where the target's catalog does not exist yet.
    only
        Only these tables; all where empty.

    Raises
    ------
    ConfigurationError
        When there is nothing to move, or the target is the source or holds tables that no move made.
    LastingError
        When the target was written to since it was moved to, and the source has changed as well; or a table is
        partitioned.
    PassingError
        When the source is being written to, or a catalog or store does not answer.
    """
    sources = _one_state(source)
    if unknown := sorted(str(name) for name in set(only) - sources.keys()):
        raise ConfigurationError(
            f"The lake has no table {', '.join(unknown)}.", f"It has: {', '.join(map(str, sources))}."
        )
    if not sources:
        raise ConfigurationError("The lake holds no table yet, so there is nothing to move.")
    if partitioned := [
        str(name)
        for name, table in sources.items()
        if (not only or name in only) and not table.spec().is_unpartitioned()
    ]:
        raise LastingError(
            f"Partitioned tables cannot be moved: {', '.join(partitioned)}.",
            "No model or feed makes one; name the others with --table.",
        )
    standing = {name: load_table(target, name) for name in list_tables(target)} if target is not None else {}
    _refuse_foreign(sources, standing)
    moves = [
        TableMove(name, table, table_size(table), _standing(name, table, standing.get(name)))
        for name, table in sources.items()
    ]
    return MovePlan(tuple(move for move in moves if not only or move.name in only), sources)


def went_on(copy: Table) -> bool:
    """Whether anything but a move has committed to the copy, if only a property."""
    commits = (MOVED_PROPERTY in copy.properties) + (VERIFIED_PROPERTY in copy.properties)
    return len(copy.metadata.metadata_log) > commits or any(
        snapshot.summary is None or MOVED_PROPERTY not in snapshot.summary.additional_properties
        for snapshot in copy.metadata.snapshots
    )


def _one_state(catalog: Catalog) -> dict[TableName, Table]:
    """All tables as they stood at one moment: a derived table must not be newer than what it was made from."""
    for _ in range(_TRIES):
        tables = {name: load_table(catalog, name) for name in list_tables(catalog)}
        again = {name: load_table(catalog, name).metadata_location for name in list_tables(catalog)}
        if again == {name: table.metadata_location for name, table in tables.items()}:
            return tables
    raise PassingError(
        "The lake is being written to all the time, so there is no one state to move.", "Stop what polls and builds."
    )


def _refuse_foreign(sources: Mapping[TableName, Table], standing: Mapping[TableName, Table]) -> None:
    if any(name in sources and sources[name].metadata_location == t.metadata_location for name, t in standing.items()):
        raise ConfigurationError("The target is the lake itself.", "Name another catalog and warehouse.")
    foreign = [
        str(name)
        for name, table in standing.items()
        if SOURCE_PROPERTY not in table.properties
        or name not in sources
        or table.metadata.table_uuid != sources[name].metadata.table_uuid
    ]
    if foreign:
        raise ConfigurationError(
            f"The target holds tables that are no copies of this lake's: {', '.join(foreign)}. Nothing was changed.",
            "Name an empty catalog, or drop them there if they are not needed.",
        )


def _standing(name: TableName, source: Table, copy: Table | None) -> Standing:
    if copy is None:
        return Standing.MISSING
    of_this_state = copy.properties[SOURCE_PROPERTY] == source.metadata_location
    if of_this_state and VERIFIED_PROPERTY in copy.properties:
        return Standing.COMPLETE
    if went_on(copy):
        raise LastingError(
            f"{name} was written to at the target since it was moved there, and here as well. Nothing was changed.",
            "Let only one of the two lakes poll. To move anew, drop the target's tables first: what came in only "
            "there is lost then.",
        )
    if not of_this_state:
        return Standing.STALE
    return Standing.UNVERIFIED if MOVED_PROPERTY in copy.properties else Standing.EMPTY
