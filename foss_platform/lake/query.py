"""Asking the lake in SQL: only the tables a query names, now or as they stood. Not here: printing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, LastingError
from foss_platform.lake.duck import connect, create_view, first_line, pin
from foss_platform.lake.snapshots import SnapshotPoint, point_at
from foss_platform.lake.tables import TableName, find_table, list_tables
from foss_platform.settings import Settings

_ROWS_PER_BATCH = 65_536


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
    points: dict[str, SnapshotPoint]


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
    points: dict[str, SnapshotPoint] = {}
    try:
        for name, table in _named_tables(connection, catalog, query):
            if at is not None:
                points[str(name)] = point_at(table, at)
            point = points.get(str(name))
            create_view(connection, pin(name, table, point.snapshot_id if point else None))
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


def _named_tables(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, query: str
) -> Sequence[tuple[TableName, Table]]:
    named = (TableName(*parts) for parts in map(_split, connection.get_table_names(query, qualified=True)) if parts)
    return [(name, table) for name in sorted(named, key=str) if (table := find_table(catalog, name)) is not None]


def _split(qualified: str) -> tuple[str, str] | None:
    parts = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', qualified)
    names = [(quoted.replace('""', '"') or plain) for quoted, plain in parts]
    return (names[-2], names[-1]) if len(names) >= 2 else None


def _refuse(error: duckdb.Error, catalog: Catalog) -> NoReturn:
    line = first_line(error)
    remedy = ""
    if isinstance(error, duckdb.CatalogException):
        remedy = f"The lake holds: {', '.join(map(str, list_tables(catalog))) or 'no table yet'}."
    raise QueryError(line if line.endswith((".", "!", "?")) else f"{line}.", remedy) from None
