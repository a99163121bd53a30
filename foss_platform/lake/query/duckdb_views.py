"""DuckDB over Iceberg: a connection with one view per table, each pinned to one metadata file.

This module contains the connection's settings, the extensions and the views. DuckDB stores nothing itself.
"""

import functools
import importlib.resources
import json
from dataclasses import dataclass, field

import duckdb
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError
from foss_platform.lake.connect.duckdb_session import ISOLATED, Setting, open_duckdb, use_same_session
from foss_platform.lake.store.store_access import Store, open_store, store_of
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.quoting import quote_name, quote_text
from foss_platform.settings import Settings

#: Table property: the columns that were added after rows had been written, as a JSON object of column to type of value.
# Older rows contain these values in the JSON column `KEPT_COLUMN`, so rows need not be rewritten.
KEPT_PROPERTY = "foss.kept-fields"
KEPT_COLUMN = "_unknown_fields"

# avro is loaded first, because iceberg needs it and would otherwise try to download it.
_EXTENSIONS = ("avro", "iceberg")


@dataclass(frozen=True)
class Pin:
    """The state of a table that a run reads: a metadata file, and a snapshot unless it is the current one.

    Attributes
    ----------
    kept
        Columns that were added later, each with the SQL expression for its value in older rows.
    store
        The object store that holds the table. None for a folder.
    """

    name: TableName
    metadata_location: str
    snapshot_id: int | None = None
    kept: tuple[tuple[str, str], ...] = ()
    store: Store | None = field(default=None, compare=False)

    @property
    def relation(self) -> str:
        """The DuckDB expression that reads the table."""
        snapshot = "" if self.snapshot_id is None else f", snapshot_from_id = {self.snapshot_id}"
        scan = f"iceberg_scan({quote_text(self.metadata_location)}{snapshot})"
        if not self.kept:
            return scan
        late = ", ".join(f"coalesce({quote_name(c)}, {older}) as {quote_name(c)}" for c, older in self.kept)
        return f"(select * replace ({late}) from {scan})"


def pin(name: TableName, table: Table, snapshot_id: int | None = None) -> Pin:
    """Pin the table's current state, or the state of a snapshot."""
    return Pin(name, table.metadata_location, snapshot_id, _kept(table, snapshot_id), store_of(table))


def _kept(table: Table, snapshot_id: int | None) -> tuple[tuple[str, str], ...]:
    """Return the later columns with their SQL expressions. Leaves out columns that the schema of the snapshot lacks."""
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    schema = table.schema() if snapshot is None or snapshot.schema_id is None else table.schemas()[snapshot.schema_id]
    older = []
    for column, kind in json.loads(table.properties.get(KEPT_PROPERTY, "{}")).items():
        if column not in schema.column_names:
            continue
        path = quote_text(f"$.{json.dumps(column, ensure_ascii=False)}")
        extract = "json_extract" if kind == "json" else "json_extract_string"
        type_ = _duckdb_type(str(schema.find_type(column)))
        older.append((column, f"try_cast({extract}({quote_name(KEPT_COLUMN)}, {path}) as {type_})"))
    return tuple(older)


def _duckdb_type(iceberg_type: str) -> str:
    """Return DuckDB's name of a primitive Iceberg type in a contract."""
    return {"string": "varchar", "long": "bigint", "int": "integer"}.get(iceberg_type, iceberg_type)


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Open DuckDB in memory with the platform's settings and extensions.

    Raises
    ------
    ConfigurationError
        If a setting is refused, or an extension does not match the installed DuckDB.
    """
    try:
        connection = open_duckdb(connection_config(settings))
    except duckdb.Error as error:
        raise ConfigurationError(
            f"DuckDB refuses its settings: {first_line(error)}",
            "Check FOSS_DUCKDB_MEMORY_LIMIT, FOSS_DUCKDB_TEMP_DIRECTORY and FOSS_DUCKDB_THREADS.",
        ) from None
    _load_extensions(connection)
    return connection


@functools.cache
def _shared_database(settings: Settings) -> duckdb.DuckDBPyConnection:
    return connect(settings)


def reading_cursor(settings: Settings, *tables: Table) -> duckdb.DuckDBPyConnection:
    """Return a cursor for queries on the pins of `tables`. All readers of this process share its database.

    Opening DuckDB takes 0.3 s, because it verifies the signatures of its extensions, but opening a cursor takes
    0.1 ms. Readers create no views, because other readers would see them.
    """
    cursor = _shared_database(settings).cursor()
    for store in {store_of(table) for table in tables}:
        reach(cursor, store)
    return cursor


def connection_config(settings: Settings) -> dict[str, Setting]:
    """Return the configuration for `duckdb.connect`."""
    config: dict[str, Setting] = {
        "memory_limit": settings.duckdb_memory_limit,
        "temp_directory": str(settings.spill_directory),
        "preserve_insertion_order": True,
        **ISOLATED,
    }
    if settings.duckdb_threads is not None:
        config["threads"] = settings.duckdb_threads
    return config


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extensions and set the time zone of a connection opened by dbt."""
    use_same_session(connection)
    _load_extensions(connection)


def _load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extensions from the installed packages, never from the network."""
    for extension in _EXTENSIONS:
        connection.execute(f"load {quote_text(_extension_file(extension))}")


def create_view(connection: duckdb.DuckDBPyConnection, pinned: Pin) -> None:
    """Create or replace the view of one table, for the state in `pinned`."""
    reach(connection, pinned.store)
    schema, name = quote_name(pinned.name.namespace), quote_name(pinned.name.name)
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create or replace view {schema}.{name} as select * from {pinned.relation}")


def reach(connection: duckdb.DuckDBPyConnection, store: Store | None) -> None:
    """Let a connection read from a store. None stands for a folder, for which nothing has to be done.

    Raises
    ------
    ConfigurationError
        If DuckDB refuses the store's settings.
    """
    # The extension for stores is not loaded for a lake in a folder, because this takes 0.3 s.
    if store is not None:
        open_store(connection, store, _extension_file("httpfs"))


def first_line(error: Exception) -> str:
    """Return the first line of a DuckDB error. The rest quotes the whole statement."""
    return str(error).strip().splitlines()[0]


def _extension_file(name: str) -> str:
    package = importlib.resources.files(f"duckdb_extension_{name}")
    return str(package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension")
