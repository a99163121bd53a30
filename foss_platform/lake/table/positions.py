"""The table properties that record how far a table has read its sources, and with which logic.

A position is a source's sequence number up to which a derived table contains the source's rows. It is a table
property, set in the commit that adds the rows. So it is correct after a crash at any instant, and it survives
snapshot expiry and compaction. A snapshot's summary does not survive them.
"""

from collections.abc import Mapping

from pyiceberg.table import Table

from foss_platform.lake.table.names import TableName

#: Tables in these namespaces contain external data. All other tables are derived from them.
SOURCE_NAMESPACES = ("bronze", "ops")
POSITION_PREFIX = "foss.position."
#: The hash of the model's logic that built the whole table.
LOGIC_PROPERTY = "foss.logic"


def own_position(table: Table) -> int:
    """Return the newest sequence number of a table, which is the position of a reader of the whole table."""
    # Format version 1, the only one without sequence numbers, is never written here.
    return int(getattr(table.metadata, "last_sequence_number", 0))


def consumed_positions(table: Table) -> dict[str, tuple[str, int]]:
    """Return by source table its UUID and the sequence number up to which `table` contains it."""
    positions = {}
    for key in position_keys(table):
        source_uuid, _, number = table.properties[key].partition(":")
        positions[key.removeprefix(POSITION_PREFIX)] = (source_uuid, int(number))
    return positions


def known_positions(name: TableName, tables: Mapping[str, Table]) -> dict[str, tuple[str, int]]:
    """Return by source how far a table has read it. Tables in bronze and ops, which hold external data, are their own
    source.

    Sources that were replaced or rolled back since are left out, because their position is unknown.

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
    """Return the table properties that describe the sources and the logic of the rows."""
    return {key: value for key, value in properties.items() if key.startswith(POSITION_PREFIX) or key == LOGIC_PROPERTY}


def position_properties(positions: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Return the table properties that record `positions` (source table to UUID and sequence number)."""
    return {f"{POSITION_PREFIX}{source}": f"{uuid}:{number}" for source, (uuid, number) in positions.items()}
