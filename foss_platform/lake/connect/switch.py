"""Switching tables of a SQL catalog to new metadata files, all in one transaction of its database.

Each table is one row of `iceberg_tables`. The only function that changes the metadata location of an existing row is
`switch_tables`. The row must still have the expected location, so this is also the whole check for conflicts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyiceberg.catalog.sql import IcebergTables
from pyiceberg.io import load_file_io
from pyiceberg.serializers import FromInputFile
from pyiceberg.typedef import Identifier, Properties
from sqlalchemy import ColumnElement, Connection, Engine, and_, or_, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from foss_platform.errors import TransientError
from foss_platform.lake.connect.staged import ConflictError

# SQLSTATE of serialization_failure and deadlock_detected. Postgres has rolled back then.
_TRY_AGAIN = {"40001", "40P01"}

# SQLite allows 32,766 variables in a statement, and a table needs two of them.
_TABLES_PER_QUERY = 5_000


@dataclass(frozen=True)
class Switch:
    """A table's change from one metadata file to the next."""

    identifier: Identifier
    expected: str
    location: str


def metadata_locations(engine: Engine, catalog: str, tables: Sequence[Identifier]) -> dict[Identifier, str]:
    """Return the metadata location of each table that exists. Up to 5,000 tables are read in one query, so they are
    of the same state of the catalog.
    """
    found: dict[Identifier, str] = {}
    with engine.connect() as connection:
        for start in range(0, len(tables), _TABLES_PER_QUERY):
            query = select(IcebergTables.table_namespace, IcebergTables.table_name, IcebergTables.metadata_location)
            rows = connection.execute(query.where(_rows(catalog, tables[start : start + _TABLES_PER_QUERY])))
            found |= {(*namespace.split("."), name): location for namespace, name, location in rows if location}
    return found


def switch_tables(engine: Engine, catalog: str, switches: Iterable[Switch], properties: Properties) -> None:
    """Switch all tables or none.

    The rows are updated in the order of their names, so that two transactions do not wait for each other.

    Parameters
    ----------
    properties
        The catalog's properties, for reading a metadata file.

    Raises
    ------
    ConflictError
        If a table does not have the expected location, or the database reports a deadlock.
    TransientError
        If the connection was lost during the commit, and the outcome cannot be found out.
    sqlalchemy.exc.DBAPIError
        If the database failed. Nothing was committed then.
    """
    ordered = sorted(switches, key=lambda switch: switch.identifier)
    try:
        with engine.connect() as connection:
            if not all(_is_updated(connection, catalog, switch) for switch in ordered):
                connection.rollback()
                raise ConflictError(_changed(engine, catalog, ordered))
            try:
                connection.commit()
                return
            except DBAPIError as error:
                failure = error
    except DBAPIError as error:
        # The commit was not sent yet, so the database rolls back.
        if _is_chosen_to_try_again(error):
            raise ConflictError(()) from error
        raise
    if _is_chosen_to_try_again(failure):
        raise ConflictError(()) from failure
    if not _is_committed(engine, catalog, ordered[0], properties):
        raise failure


def _is_updated(connection: Connection, catalog: str, switch: Switch) -> bool:
    changed = connection.execute(
        update(IcebergTables)
        .where(_rows(catalog, [switch.identifier]), IcebergTables.metadata_location == switch.expected)
        .values(metadata_location=switch.location, previous_metadata_location=switch.expected)
    )
    return changed.rowcount == 1


def _changed(engine: Engine, catalog: str, switches: Sequence[Switch]) -> list[Identifier]:
    current = metadata_locations(engine, catalog, [switch.identifier for switch in switches])
    return [switch.identifier for switch in switches if current.get(switch.identifier) != switch.expected]


def _is_committed(engine: Engine, catalog: str, switch: Switch, properties: Properties) -> bool:
    """Find out whether a commit has succeeded whose answer was lost.

    On Postgres, the query waits until the lost transaction has ended, because that transaction holds the row's lock.
    """
    query = select(IcebergTables.metadata_location).where(_rows(catalog, [switch.identifier])).with_for_update()
    with engine.connect() as connection:
        current = connection.scalar(query)
    if current in (switch.location, switch.expected):
        return current == switch.location
    if current is not None:
        # Others have committed to the table since. Its metadata lists the previous metadata files.
        metadata = FromInputFile.table_metadata(load_file_io(properties, current).new_input(current))
        previous = {entry.metadata_file for entry in metadata.metadata_log}
        if not previous.isdisjoint((switch.location, switch.expected)):
            return switch.location in previous
    raise TransientError(
        f"The connection to the Iceberg catalog was lost during a commit to {'.'.join(switch.identifier)}, and the "
        "table has been changed too often since then to find out whether the commit succeeded.",
        "Run again. A batch that is already committed is not committed again.",
    )


def _is_chosen_to_try_again(error: DBAPIError) -> bool:
    return getattr(error.orig, "pgcode", None) in _TRY_AGAIN


def _rows(catalog: str, tables: Sequence[Identifier]) -> ColumnElement[bool]:
    """Return the condition for the rows of these tables. Views of other engines are in the same database table."""
    return and_(
        IcebergTables.catalog_name == catalog,
        or_(IcebergTables.iceberg_type.is_(None), IcebergTables.iceberg_type == "TABLE"),
        tuple_(IcebergTables.table_namespace, IcebergTables.table_name).in_(
            [(".".join(namespace), name) for *namespace, name in tables]
        ),
    )
