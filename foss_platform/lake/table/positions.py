"""The table properties that record how far a table has read its sources, and the logic that built the table.

A position is the sequence number of a source up to which a derived table contains the source's rows. It is a table
property, which is set in the commit that adds the rows. So it is correct after a crash at any moment. It also survives
snapshot expiry and compaction, which an entry in a snapshot's summary would not.
"""

from collections.abc import Mapping

from pyiceberg.table import Table

from foss_platform.lake.table.names import TableName

#: Tables in these namespaces contain external data. All other tables are derived from them.
SOURCE_NAMESPACES = ("bronze", "ops")
POSITION_PREFIX = "foss.position."
#: The hash of the model's logic with which all rows were built.
LOGIC_PROPERTY = "foss.logic"


def own_position(table: Table) -> int:
    """Return a table's newest sequence number: the position of a table that has read all of it."""
    # Only format version 1 has no sequence numbers, and the platform never writes it.
    return int(getattr(table.metadata, "last_sequence_number", 0))


def consumed_positions(table: Table) -> dict[str, tuple[str, int]]:
    """Return the positions of `table`: by source table, its UUID and the sequence number that was read last."""
    positions = {}
    for key in position_keys(table):
        source_uuid, _, number = table.properties[key].partition(":")
        positions[key.removeprefix(POSITION_PREFIX)] = (source_uuid, int(number))
    return positions


def known_positions(name: TableName, tables: Mapping[str, Table]) -> dict[str, tuple[str, int]]:
    """Return the valid positions of a table, by source. A table in bronze or ops holds external data and is its own
    source.

    A source that was replaced or rolled back after it was read is left out, because the position is no longer valid.

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
    """Return the table properties that hold positions."""
    return [key for key in table.properties if key.startswith(POSITION_PREFIX)]


def build_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the subset of the properties that records positions and the logic."""
    return {key: value for key, value in properties.items() if key.startswith(POSITION_PREFIX) or key == LOGIC_PROPERTY}


def position_properties(positions: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Return the table properties that record `positions` (source table to UUID and sequence number)."""
    return {f"{POSITION_PREFIX}{source}": f"{uuid}:{number}" for source, (uuid, number) in positions.items()}
