"""Verifying that a copied table is identical to its source. See `lake.move.copy` for copying."""

from dataclasses import dataclass

import duckdb
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.lake.connect.duckdb_session import open_duckdb
from foss_platform.lake.files.data_files import rows_of
from foss_platform.lake.query.duckdb_views import first_line
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.positions import build_properties, own_position
from foss_platform.lake.table.quoting import quote_name

_MEMORY = "1GB"


@dataclass(frozen=True)
class Fingerprint:
    """The content of a table: the row count, and the sum of the hashes of all rows. The order of rows has no effect."""

    rows: int
    hash: str

    def __str__(self) -> str:
        """Return the text stored in the table property."""
        return f"{self.rows} rows, hash {self.hash}"


def mismatch(copy: Table, source: Table, found: Fingerprint, wanted: Fingerprint) -> str:
    """Return in words how the copy differs from its source. Empty if it is identical."""
    if found != wanted:
        return f"the source holds {wanted}, the copy {found}"
    if copy.schema() != source.schema():
        return "its columns differ"
    if build_properties(copy.properties) != build_properties(source.properties):
        return "its positions differ"
    if copy.metadata.table_uuid != source.metadata.table_uuid:
        return "its UUID differs"
    if own_position(copy) < own_position(source):
        return "its last sequence number is lower"
    return ""


def fingerprint(table: Table) -> Fingerprint:
    """Read all rows of the current state, one batch at a time, and hash them in DuckDB.

    Raises
    ------
    TransientError
        If the rows cannot be read.
    """
    columns = ", ".join(quote_name(field.name) for field in table.schema().fields)
    # Hashing needs no space for spilling. By default, DuckDB would spill to the working directory.
    connection = open_duckdb({"memory_limit": _MEMORY, "temp_directory": ""})
    try:
        with lake_failures():
            tasks = list(table.scan().plan_files()) if table.current_snapshot() is not None else []
            connection.register("all_rows", rows_of(table, tasks, AlwaysTrue()))
            # The hashes are added up and not combined with xor, so that duplicate rows count twice.
            found = connection.execute(
                f"select count(*), coalesce(sum(hash({columns})::hugeint), 0) from all_rows"
            ).fetchone()
    except duckdb.Error as error:
        raise TransientError(f"{'.'.join(table.name())} could not be compared: {first_line(error)}") from error
    finally:
        connection.close()
    assert found is not None
    return Fingerprint(int(found[0]), f"{int(found[1]):x}")
