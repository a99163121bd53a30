"""Asking the lake in SQL through Trino, now or at a live snapshot. Not here: printing, or how Trino is reached.

Trino knows a moment only as a snapshot of the table, so what is pinned outside the live ones is DuckDB's to read.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlglot
from pyiceberg.catalog import Catalog
from sqlglot import exp
from sqlglot.errors import SqlglotError

from foss_platform.errors import LastingError
from foss_platform.lake.names import NAMESPACES, TableName
from foss_platform.lake.points import Point, point_at
from foss_platform.lake.query import Answer, QueryError, what_there_is
from foss_platform.lake.tables import find_table
from foss_platform.lake.trino import connect_trino, trino_failures
from foss_platform.lake.trino_types import arrow_type, arrow_value
from foss_platform.settings import Settings

_ROWS_PER_BATCH = 10_000

# DuckDB's ways to read a file, of which Trino would say that its grammar is wrong
_FILE_FUNCTIONS = ("read_", "parquet_", "iceberg_scan", "delta_scan")


def ask_trino(settings: Settings, catalog: Catalog, query: str, at: datetime | None = None) -> Answer:
    """Run one SELECT of Trino's dialect, with the lake's tables as `namespace.table`.

    Parameters
    ----------
    at
        Read each table as it stood at this moment (UTC).

    Raises
    ------
    QueryError
        When it is no single query, names a table that is not there, or reads a file.
    LastingError
        When a table's state at `at` is no live snapshot, or Trino refuses the query.
    PassingError
        When Trino is away.
    """
    parsed = _only_a_query(query)
    _refuse_files(parsed)
    points: dict[str, Point] = {}
    for node, name in list(_named_tables(parsed)):
        table = find_table(catalog, name)
        if table is None:
            raise QueryError(f"There is no table {name}.", what_there_is(catalog, str(name)))
        if at is None:
            continue
        point = points[str(name)] = point_at(table, at)
        if table.snapshot_by_id(point.snapshot_id) is None:
            raise LastingError(
                f"{name} as it stood at {at.isoformat()} is not a live snapshot, and Trino reads no other.",
                "Ask with --engine duckdb, or for a later moment.",
            )
        node.set("when", exp.Version(this="VERSION", expression=exp.Literal.number(point.snapshot_id), kind="AS OF"))
    statement = query.strip().rstrip(";") if at is None else parsed.sql(dialect="trino")
    return Answer(_read(settings, statement), points)


def _only_a_query(query: str) -> exp.Expr:
    try:
        statements = [statement for statement in sqlglot.parse(query, read="trino") if statement is not None]
    except SqlglotError as error:
        raise QueryError(f"{str(error).splitlines()[0]}") from None
    if len(statements) != 1:
        raise QueryError(f"One statement is answered at a time, these are {len(statements)}.")
    statement = statements[0]
    explained = isinstance(statement, exp.Command | exp.Describe) and query.strip().lower().startswith("explain")
    if not isinstance(statement, exp.Query) and not explained:
        raise QueryError("Only a SELECT is answered: tables change through their pipelines.")
    return statement


def _refuse_files(parsed: exp.Expr) -> None:
    for node in parsed.find_all(exp.Table):
        read = node.this
        called = read.name if isinstance(read, exp.Anonymous) else read.sql_name() if isinstance(read, exp.Func) else ""
        if called.lower().startswith(_FILE_FUNCTIONS) or "://" in node.name:
            raise QueryError(
                f"Trino reads no files: {called.lower() or node.name} is DuckDB's.",
                "Ask with --engine duckdb, which reads the same tables beside the file.",
            )


def _named_tables(parsed: exp.Expr) -> Iterator[tuple[exp.Table, TableName]]:
    """The lake's tables among those that a query names, without Trino's metadata tables and other catalogs."""
    for node in parsed.find_all(exp.Table):
        if node.db in NAMESPACES and not node.catalog and "$" not in node.name:
            yield node, TableName(node.db, node.name)


def _read(settings: Settings, statement: str) -> pa.RecordBatchReader:
    connection = connect_trino(settings)
    cursor = connection.cursor()
    with trino_failures(settings):
        cursor.execute(statement)
        described = cursor.description or []
    schema = pa.schema([pa.field(column[0], arrow_type(column[1])) for column in described])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            while True:
                with trino_failures(settings):
                    rows: list[list[Any]] = cursor.fetchmany(_ROWS_PER_BATCH)
                if not rows:
                    return
                columns = [
                    pa.array([arrow_value(row[place], field.type) for row in rows], field.type)
                    for place, field in enumerate(schema)
                ]
                yield pa.record_batch(columns, schema=schema)
        finally:
            connection.close()

    return pa.RecordBatchReader.from_batches(schema, batches())
