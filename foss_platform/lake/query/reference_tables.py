"""Reference tables on DuckDB: small tables that people maintain. Trino reads them from Postgres by the same name.

A table consists of two files in the dbt project. `reference/<name>.sql` defines its columns, and
`reference/<name>.csv` contains its rows. `docker/postgres/reference.sql` loads the same files into Postgres. Silver
and gold do not use reference tables.
"""

import duckdb

from foss_platform.errors import ConfigurationError
from foss_platform.lake.query.duckdb_views import first_line
from foss_platform.lake.table.quoting import quote_name, quote_text
from foss_platform.settings import Settings

#: The name of the catalog and of its schema: `reference.reference.parking_sites`. The schema is not `public`,
# because in the same Postgres the catalog's own tables are in `public`, and Trino must not show them.
REFERENCE = "reference"


def attach_reference(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Create the reference tables from the current files, for a connection and all cursors of its database.

    Raises
    ------
    ConfigurationError
        If a file does not match its table.
    """
    # A separate cursor, because `use` changes the default schema of its cursor.
    cursor = connection.cursor()
    cursor.execute(f"attach ':memory:' as {REFERENCE}")
    cursor.execute(f"create schema {REFERENCE}.{REFERENCE}")
    cursor.execute(f"use {REFERENCE}.{REFERENCE}")
    for columns in sorted((settings.dbt_project / "reference").glob("*.sql")):
        rows = columns.with_suffix(".csv")
        try:
            cursor.execute(columns.read_text())
            cursor.execute(f"copy {quote_name(columns.stem)} from {quote_text(str(rows))} (format csv, header true)")
        except duckdb.Error as error:
            raise ConfigurationError(
                f"The reference table {columns.stem} cannot be created: {first_line(error)}",
                f"Give {rows.name} the columns of {columns.name}, in the same order.",
            ) from None
