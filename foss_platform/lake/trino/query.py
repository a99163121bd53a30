"""SQL queries on the lake through Trino, on current states or live snapshots.

Trino reads past states only as snapshots of the table. Pinned states that are no longer live can be read only with
DuckDB.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlglot
from pyiceberg.catalog import Catalog
from sqlglot import exp
from sqlglot.errors import SqlglotError

from foss_platform.errors import PermanentError
from foss_platform.lake.query.query import Answer, QueryError, known_names
from foss_platform.lake.snapshots.points import Point, point_at
from foss_platform.lake.table.names import NAMESPACES, TableName
from foss_platform.lake.table.tables import find_tables
from foss_platform.lake.trino.connection import connect_trino, trino_failures
from foss_platform.lake.trino.types import arrow_type
from foss_platform.lake.trino.values import arrow_array
from foss_platform.settings import Settings

_ROWS_PER_BATCH = 10_000

# DuckDB's functions for reading files. Trino would report a syntax error for them.
_FILE_FUNCTIONS = ("read_", "parquet_", "iceberg_scan", "delta_scan")

# https://trino.io/docs/current/sql/explain.html. EXPLAIN ANALYZE runs the
# statement, so the statement must be a query.
_EXPLAIN = re.compile(
    r"\s*explain\b\s*(\(\s*(?:type|format)\b[^()]*\)\s*|analyze\b\s*(?:verbose\b\s*)?)?", re.IGNORECASE
)


def ask_trino(settings: Settings, catalog: Catalog, query: str, at: datetime | None = None) -> Answer:
    """Run one SELECT in Trino's dialect, with the lake's tables as `namespace.table`.

    Parameters
    ----------
    at
        Read each table in its state at this moment (UTC).

    Raises
    ------
    QueryError
        If the SQL is not a single query, names a table that does not exist, or reads a file.
    PermanentError
        If a table's state at `at` is not a live snapshot, or Trino refuses the query.
    TransientError
        If Trino is down.
    """
    explain = prefix[0] if (prefix := _EXPLAIN.match(query)) else ""
    asked = query[len(explain) :].strip().rstrip(";")
    parsed = _only_a_query(asked)
    _refuse_files(parsed)
    if at is not None:
        _refuse_without_moment(settings, parsed)
    points: dict[str, Point] = {}
    named = list(_named_tables(settings, parsed))
    found = find_tables(catalog, {name for _, name in named})
    for node, name in named:
        table = found.get(name)
        if table is None:
            raise QueryError(f"The table {name} does not exist.", known_names(catalog, str(name)))
        if at is None:
            continue
        point = points[str(name)] = point_at(table, at)
        if table.snapshot_by_id(point.snapshot_id) is None:
            raise PermanentError(
                f"The state of {name} at {at.isoformat()} is not a live snapshot, and Trino reads no other states.",
                "Use --engine duckdb, or a later moment.",
            )
        node.set("when", exp.Version(this="VERSION", expression=exp.Literal.number(point.snapshot_id), kind="AS OF"))
    statement = asked if at is None else parsed.sql(dialect="trino")
    return Answer(_read(settings, explain + statement), points)


def _only_a_query(query: str) -> exp.Expr:
    try:
        statements = [statement for statement in sqlglot.parse(query, read="trino") if statement is not None]
    except SqlglotError as error:
        raise QueryError(f"{str(error).splitlines()[0]}") from None
    if len(statements) != 1:
        raise QueryError(f"Only one statement can be run at a time, but there are {len(statements)}.")
    statement = statements[0]
    if not isinstance(statement, exp.Query):
        raise QueryError("Only SELECT is allowed. Tables are changed by their pipelines.")
    return statement


def _refuse_files(parsed: exp.Expr) -> None:
    for node in parsed.find_all(exp.Table):
        read = node.this
        called = read.name if isinstance(read, exp.Anonymous) else read.sql_name() if isinstance(read, exp.Func) else ""
        if called.lower().startswith(_FILE_FUNCTIONS) or "://" in node.name:
            raise QueryError(
                f"Trino reads no files: {called.lower() or node.name} is a function of DuckDB.",
                "Use --engine duckdb, which reads the same tables and files.",
            )


def _named_tables(settings: Settings, parsed: exp.Expr) -> Iterator[tuple[exp.Table, TableName]]:
    """Yield the lake's tables in a query. Leaves out Trino's metadata tables and tables of other catalogs."""
    for node in parsed.find_all(exp.Table):
        # In Trino, even quoted names are case-insensitive.
        namespace, name, catalog = node.db.lower(), node.name.lower(), node.catalog.lower()
        if namespace in NAMESPACES and catalog in ("", settings.trino_catalog.lower()) and "$" not in name:
            yield node, TableName(namespace, name)


def _refuse_without_moment(settings: Settings, parsed: exp.Expr) -> None:
    """Refuse names that Trino would read in their current state only: metadata tables, and tables of other catalogs."""
    pinned = {id(node) for node, _ in _named_tables(settings, parsed)}
    for node in parsed.find_all(exp.Table):
        if node.db.lower() in NAMESPACES and id(node) not in pinned:
            raise QueryError(
                f"{node.sql(dialect='trino')} cannot be read in a past state.",
                "Name a table as namespace.table, or leave out --at.",
            )


def _read(settings: Settings, statement: str) -> pa.RecordBatchReader:
    connection = connect_trino(settings, raw_values=True)
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
                    _column(name, type_, [row[place] for row in rows])
                    for place, (name, type_, *_) in enumerate(described)
                ]
                yield pa.record_batch(columns, schema=schema)
        finally:
            connection.close()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _column(name: str, type_: str, values: list[Any]) -> Any:
    try:
        return arrow_array(type_, values)
    except (pa.ArrowException, ValueError, ArithmeticError) as error:
        raise QueryError(
            f"Column {name} of type {type_} holds a value that cannot be returned: {error}.",
            "Cast it to varchar in the query.",
        ) from None
