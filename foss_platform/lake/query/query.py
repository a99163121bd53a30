"""SQL queries on the lake: current or past states of the named tables, and raw files."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import PermanentError, TransientError
from foss_platform.lake.query.duckdb_arrow import arrow_rows
from foss_platform.lake.query.duckdb_views import connect, create_view, first_line, pin, reach
from foss_platform.lake.query.named_tables import NOTHING, Named, names_in
from foss_platform.lake.query.reference_tables import attach_reference
from foss_platform.lake.snapshots.points import Point, point_at, point_table, refuse_future
from foss_platform.lake.store.failures import store_failure
from foss_platform.lake.store.store_access import store_at
from foss_platform.lake.table.names import NAMESPACES, TableName
from foss_platform.lake.table.tables import find_tables, list_tables
from foss_platform.settings import Settings

_ROWS_PER_BATCH = 65_536

# DuckDB's error if a store refuses a request, is down or does not answer
_OF_THE_STORE = re.compile(r"^HTTP Error|error for HTTP (HEAD|GET)")

# DuckDB's error if no file has the name or matches the pattern
_NOT_THERE = re.compile(r"HTTP 404|No files found")


class QueryError(PermanentError):
    """The SQL has an error: a name, a type or the syntax."""


@dataclass(frozen=True)
class Answer:
    """A query's result, streamed.

    Attributes
    ----------
    points
        The state of each named table that was read. Empty if no moment was given.
    """

    reader: pa.RecordBatchReader
    points: dict[str, Point]


def ask(settings: Settings, catalog: Catalog, query: str, at: datetime | None = None, *, exact: bool = False) -> Answer:
    """Run one SELECT over the tables that it names. Files in the object store are read by their address.

    Parameters
    ----------
    at
        Read the state of each table at this moment (UTC). Reference tables and files are read as they are now.
    exact
        Whether types unknown to Arrow become Arrow extension types without loss, such as integers above 38 digits.

    Raises
    ------
    QueryError
        If a name is wrong or the syntax has an error. The message is one line.
    PermanentError
        If the state of a table at `at` is no longer retained.
    """
    connection = connect(settings)
    points: dict[str, Point] = {}
    named = NOTHING
    try:
        _only_a_query(connection, query)
        named = names_in(_parsed(connection, query))
        if named.reference:
            attach_reference(connection, settings)
        for store in {store_at(file, catalog.properties) for file in named.files}:
            reach(connection, store)
        for name, table in _named_tables(catalog, named):
            if at is None:
                create_view(connection, pin(name, table))
                continue
            point = points[str(name)] = point_at(table, at)
            create_view(connection, pin(name, point_table(table, point), point.snapshot_id))
        if at is not None and not points:
            refuse_future(at)
        rows = arrow_rows(connection, query, _ROWS_PER_BATCH, exact=exact)
        return Answer(_telling(rows, catalog, named), points)
    except duckdb.Error as error:
        _refuse(error, catalog, named)


def _only_a_query(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"Only one statement can be run at a time, but there are {len(statements)}.")
    if statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise QueryError("Only SELECT is allowed. Tables are changed by their pipelines.")


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    said = re.sub(r"^\s*explain(\s+analyze)?\s", "", query, flags=re.IGNORECASE)
    row = connection.execute("select json_serialize_sql(?)", [said]).fetchone()
    parsed = json.loads(row[0]) if row else {}
    if parsed.get("error"):
        raise QueryError(f"{parsed.get('error_message', 'The SQL cannot be parsed')}.")
    return parsed


def _named_tables(catalog: Catalog, named: Named) -> Sequence[tuple[TableName, Table]]:
    found = find_tables(catalog, named.tables)
    for name in sorted(named.tables - found.keys(), key=str):
        if name.namespace in NAMESPACES:
            raise QueryError(f"The table {name} does not exist.", known_names(catalog, str(name)))
    return sorted(found.items(), key=lambda item: str(item[0]))


def known_names(catalog: Catalog, wanted: str) -> str:
    """Return the remedy for an unknown name: the nearest name, or all names."""
    names = [str(name) for name in list_tables(catalog)]
    if near := difflib.get_close_matches(wanted, names, n=1):
        return f"Did you mean {near[0]}?"
    return f"Known tables: {', '.join(names) or 'none yet'}."


def _telling(rows: pa.RecordBatchReader, catalog: Catalog, named: Named) -> pa.RecordBatchReader:
    """Return the same rows. An error while they are read is translated like an error at the start of the query."""

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows
        except (OSError, pa.ArrowException) as error:
            _refuse(error, catalog, named)

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _refuse(error: Exception, catalog: Catalog, named: Named) -> NoReturn:
    line = first_line(error)
    if _NOT_THERE.search(line) and (missing_files := sorted(file for file in named.files if file in line)):
        raise QueryError(
            f"No such file in the object store: {', '.join(missing_files)}.",
            "Check the bucket and the path. A * stands for any name.",
        ) from None
    if _OF_THE_STORE.search(line):
        raise store_failure(line) or TransientError(
            f"The warehouse could not be read: {line}.", "Check that the object store is up."
        ) from None
    missing = re.search(r"Table with name \"?([\w.]+)\"? does not exist", line)
    remedy = known_names(catalog, missing[1]) if missing else ""
    raise QueryError(line if line.endswith((".", "!", "?")) else f"{line}.", remedy) from None
