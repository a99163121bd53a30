"""Proving that a copied table is the same as its source. Not here: copying (`lake.move.copy`)."""

from dataclasses import dataclass

import duckdb
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import Table

from foss_platform.errors import PassingError
from foss_platform.lake.connect.duckdb_session import open_duckdb
from foss_platform.lake.files.data_files import rows_of
from foss_platform.lake.query.duckdb_views import first_line
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.positions import build_properties, own_position
from foss_platform.lake.table.quoting import quote_name

_MEMORY = "1GB"


@dataclass(frozen=True)
class Fingerprint:
    """What rows a table holds, whatever their order and files: how many, and the sum of the hashes of all columns."""

    rows: int
    hash: str

    def __str__(self) -> str:
        """As the property holds it."""
        return f"{self.rows} rows, hash {self.hash}"


def mismatch(copy: Table, source: Table, found: Fingerprint, wanted: Fingerprint) -> str:
    """In what the copy differs from its source, in words; empty where it is the same."""
    if found != wanted:
        return f"the source holds {wanted}, the copy {found}"
    if copy.schema() != source.schema():
        return "its columns are others"
    if build_properties(copy.properties) != build_properties(source.properties):
        return "its positions are others"
    if copy.metadata.table_uuid != source.metadata.table_uuid:
        return "its identity is another"
    if own_position(copy) < own_position(source):
        return "its sequence numbers start anew"
    return ""


def fingerprint(table: Table) -> Fingerprint:
    """Read all rows of the current state, a batch at a time, and let DuckDB hash them.

    Raises
    ------
    PassingError
        When they cannot be read.
    """
    columns = ", ".join(quote_name(field.name) for field in table.schema().fields)
    # a hash needs no room to spill, and DuckDB's default would be the working directory
    connection = open_duckdb({"memory_limit": _MEMORY, "temp_directory": ""})
    try:
        with lake_failures():
            tasks = list(table.scan().plan_files()) if table.current_snapshot() is not None else []
            connection.register("all_rows", rows_of(table, tasks, AlwaysTrue()))
            # a sum, because a row that is there twice must count twice
            found = connection.execute(
                f"select count(*), coalesce(sum(hash({columns})::hugeint), 0) from all_rows"
            ).fetchone()
    except duckdb.Error as error:
        raise PassingError(f"{'.'.join(table.name())} could not be compared: {first_line(error)}") from error
    finally:
        connection.close()
    assert found is not None
    return Fingerprint(int(found[0]), f"{int(found[1]):x}")
