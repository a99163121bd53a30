"""The reference tables on DuckDB: small tables that people keep, under the very name that Trino has for Postgres'.

A table is two files of the dbt project: `reference/<name>.sql` says its columns, `reference/<name>.csv` its rows;
`docker/postgres/reference.sql` takes the same two into Postgres. Silver and gold do not depend on them.
"""

import duckdb

from foss_platform.errors import ConfigurationError
from foss_platform.lake.query.duckdb_views import first_line
from foss_platform.lake.table.quoting import quote_name, quote_text
from foss_platform.settings import Settings

#: The catalog, and in it the schema: `reference.reference.parking_sites`. Not `public`, where the lake's own
#: catalog keeps its tables in the same Postgres, which Trino must not show.
REFERENCE = "reference"


def attach_reference(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Let a connection, and all cursors of its database, see the reference tables as its files hold them now.

    Raises
    ------
    ConfigurationError
        When a file cannot be read as its table.
    """
    # where names without a schema go is a cursor's own affair
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
                f"The reference table {columns.stem} cannot be made: {first_line(error)}",
                f"Let {rows.name} hold the columns of {columns.name}, in that order.",
            ) from None
