"""How far a table has read what it is made from, and by which logic. What belongs here: the properties that say so.

A position is the sequence number up to which a source's rows are contained in a derived table. It
is a table property, set in the commit that brings the rows, so that it is right after a crash at any
instant and survives snapshot expiry and compaction, which a snapshot's summary does not.
"""

from collections.abc import Mapping

from pyiceberg.table import Table

from foss_platform.lake.table.names import TableName

#: What lies here comes from outside; all else is made from it.
SOURCE_NAMESPACES = ("bronze", "ops")
POSITION_PREFIX = "foss.position."
#: The hash of the model's logic that built the whole table.
LOGIC_PROPERTY = "foss.logic"


def own_position(table: Table) -> int:
    """The newest sequence number in a table: what a reader of all of it has read."""
    # format version 1, the only one without sequence numbers, is never written here
    return int(getattr(table.metadata, "last_sequence_number", 0))


def consumed_positions(table: Table) -> dict[str, tuple[str, int]]:
    """By source table, its UUID and the sequence number up to which `table` contains it."""
    positions = {}
    for key in position_keys(table):
        source_uuid, _, number = table.properties[key].partition(":")
        positions[key.removeprefix(POSITION_PREFIX)] = (source_uuid, int(number))
    return positions


def known_positions(name: TableName, tables: Mapping[str, Table]) -> dict[str, tuple[str, int]]:
    """By source, how far a table has read it: itself for bronze and ops, which come from outside.

    Without those whose source was replaced or turned back since, since what was read cannot be told then.

    Parameters
    ----------
    tables
        All tables of the lake by name, as one run sees them.
    """
    table = tables[str(name)]
    if name.namespace in SOURCE_NAMESPACES:
        return {str(name): (str(table.metadata.table_uuid), own_position(table))}
    return {
        source: (source_uuid, number)
        for source, (source_uuid, number) in consumed_positions(table).items()
        if (standing := tables.get(source)) is not None
        and str(standing.metadata.table_uuid) == source_uuid
        and own_position(standing) >= number
    }


def position_keys(table: Table) -> list[str]:
    """The table properties that hold its positions."""
    return [key for key in table.properties if key.startswith(POSITION_PREFIX)]


def build_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Of a table's properties those that say what its rows were made from, and how."""
    return {key: value for key, value in properties.items() if key.startswith(POSITION_PREFIX) or key == LOGIC_PROPERTY}


def position_properties(positions: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """The table properties that record `positions` (source table to UUID and sequence number)."""
    return {f"{POSITION_PREFIX}{source}": f"{uuid}:{number}" for source, (uuid, number) in positions.items()}
