"""Asking the lake in SQL: only the tables a query names, now or as they stood. Not here: printing."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, LastingError, PassingError
from foss_platform.lake.duck import connect, create_view, first_line, pin
from foss_platform.lake.failures import store_failure
from foss_platform.lake.names import NAMESPACES, TableName
from foss_platform.lake.points import Point, point_at, point_table
from foss_platform.lake.tables import find_table, list_tables
from foss_platform.settings import Settings

_ROWS_PER_BATCH = 65_536

# DuckDB's words for a store that refuses, is away or does not answer
_OF_THE_STORE = re.compile(r"^HTTP Error|error for HTTP (HEAD|GET)")


class QueryError(LastingError):
    """The SQL is wrong: a name, a type or the syntax."""


@dataclass(frozen=True)
class Answer:
    """A query's result, streamed.

    Attributes
    ----------
    points
        With a moment given: the snapshot each named table was read at.
    """

    reader: pa.RecordBatchReader
    points: dict[str, Point]


def ask(settings: Settings, catalog: Catalog, query: str, at: datetime | None = None) -> Answer:
    """Run one SELECT over the tables that it names.

    Parameters
    ----------
    at
        Read each table as it stood at this moment (UTC).

    Raises
    ------
    QueryError
        In one line, for a wrong name or a syntax error.
    LastingError
        When a table is no longer kept as it stood at `at`.
    """
    connection = connect(settings)
    points: dict[str, Point] = {}
    try:
        _only_a_query(connection, query)
        for name, table in _named_tables(connection, catalog, query):
            if at is None:
                create_view(connection, pin(name, table))
                continue
            point = points[str(name)] = point_at(table, at)
            create_view(connection, pin(name, point_table(table, point), point.snapshot_id))
        return Answer(connection.execute(query).to_arrow_reader(_ROWS_PER_BATCH), points)
    except duckdb.Error as error:
        _refuse(error, catalog)


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment as a user writes it: ISO 8601 with a zone, or an interval such as `2 hours ago`.

    Raises
    ------
    ConfigurationError
        When it is neither, or lies ahead of `now`.
    """
    if ago := re.fullmatch(r"\s*(.+?)\s+ago\s*", text):
        found = duckdb.execute("select ?::timestamptz - try_cast(? as interval)", [now, ago[1]]).fetchone()
        moment = found[0] if found else None
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{text!r} is no moment.", "Write it as 2026-11-20T08:00:00Z, with its zone, or as '2 hours ago'."
        )
    if moment > now:
        raise ConfigurationError(f"{text!r} lies ahead of now ({now.isoformat(timespec='seconds')}).")
    in_utc: datetime = moment.astimezone(UTC)
    return in_utc


def _only_a_query(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"One statement is answered at a time, these are {len(statements)}.")
    if statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise QueryError("Only a SELECT is answered: tables change through their pipelines.")


def _named_tables(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, query: str
) -> Sequence[tuple[TableName, Table]]:
    found: list[tuple[TableName, Table]] = []
    for name in sorted(_base_tables(connection, query), key=str):
        table = find_table(catalog, name)
        if table is not None:
            found.append((name, table))
        elif name.namespace in NAMESPACES:
            raise QueryError(f"There is no table {name}.", what_there_is(catalog, str(name)))
    return found


def _base_tables(connection: duckdb.DuckDBPyConnection, query: str) -> set[TableName]:
    """The tables that a query names with their namespace, by DuckDB's own parser.

    `get_table_names` binds the query as well, which fails before the views are there, and takes aliases for names.
    """
    said = re.sub(r"^\s*explain(\s+analyze)?\s", "", query, flags=re.IGNORECASE)
    row = connection.execute("select json_serialize_sql(?)", [said]).fetchone()
    parsed = json.loads(row[0]) if row else {}
    if parsed.get("error"):
        raise QueryError(f"{parsed.get('error_message', 'The SQL cannot be parsed')}.")
    return set(_tables_below(parsed))


def _tables_below(node: Any) -> Iterator[TableName]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and node.get("schema_name"):
            yield TableName(node["schema_name"], node["table_name"])
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _tables_below(part)


def what_there_is(catalog: Catalog, wanted: str) -> str:
    """The remedy for a name that is not there: the nearest one, or all."""
    names = [str(name) for name in list_tables(catalog)]
    if near := difflib.get_close_matches(wanted, names, n=1):
        return f"Did you mean {near[0]}?"
    return f"The lake holds: {', '.join(names) or 'no table yet'}."


def _refuse(error: duckdb.Error, catalog: Catalog) -> NoReturn:
    line = first_line(error)
    if _OF_THE_STORE.search(line):
        raise store_failure(line) or PassingError(
            f"The warehouse could not be read: {line}.", "Check that the object store is up."
        ) from None
    missing = re.search(r"Table with name \"?([\w.]+)\"? does not exist", line)
    remedy = what_there_is(catalog, missing[1]) if missing else ""
    raise QueryError(line if line.endswith((".", "!", "?")) else f"{line}.", remedy) from None
