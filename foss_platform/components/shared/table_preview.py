"""Metadata of an asset's Iceberg table: rows, columns, snapshot, health, and a preview of some rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pyiceberg.table import Table
from pyiceberg.types import TimestamptzType

from foss_platform.components.shared.table_health import health_metadata
from foss_platform.lake.maintenance.health import TableHealth
from foss_platform.lake.query.duckdb_views import pin, reading_cursor
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.quoting import quote_name
from foss_platform.lake.table.statistics import newest_value
from foss_platform.settings import Settings

_PREVIEW_ROWS = 12
_PREVIEW_LENGTH = 80
_NO_BREAK = "\u00a0"


def asset_key(name: TableName) -> dg.AssetKey:
    """Return the asset key of a table."""
    return dg.AssetKey([name.namespace, name.name])


def table_metadata(
    settings: Settings, name: TableName, table: Table, health: TableHealth, *, newest_by: str | None
) -> dict[str, Any]:
    """Return metadata of the table's current state.

    Parameters
    ----------
    health
        The table's health, which the caller has already read for its check.
    newest_by
        Column that orders the rows of the preview, newest first. None shows any rows.
    """
    snapshot = table.current_snapshot()
    metadata: dict[str, Any] = {
        "dagster/row_count": health.rows,
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": str(name),
        "data_bytes": health.data_bytes,
        **health_metadata(health),
        "location": dg.MetadataValue.path(table.location()),
    }
    if snapshot is not None:
        metadata["snapshot"] = str(snapshot.snapshot_id)
        metadata["committed_at"] = dg.MetadataValue.timestamp(datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC))
        metadata["preview"] = preview(settings, name, table, newest_by)
    return metadata


def column_schema(table: Table) -> dg.TableSchema:
    """Return the table's columns with their docs."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.field_type),
                description=field.doc,
                constraints=dg.TableColumnConstraints(nullable=not field.required),
            )
            for field in table.schema().fields
        ]
    )


def preview(settings: Settings, name: TableName, table: Table, newest_by: str | None) -> dg.MetadataValue:
    """Return some rows, if possible the newest, as a table that the UI shows."""
    query = f"select * from {pin(name, table).relation}"
    if newest_by is not None:
        query += f"{_newest_only(table, newest_by)} order by {quote_name(newest_by)} desc"
    connection = reading_cursor(settings, table)
    try:
        result = connection.execute(f"{query} limit {_PREVIEW_ROWS}")
        columns = [column[0] for column in result.description or []]
        rows = result.fetchall()
    finally:
        connection.close()
    records = [
        dg.TableRecord({column: _shown(value) for column, value in zip(columns, row, strict=True)}) for row in rows
    ]
    schema = column_schema(table)
    return dg.MetadataValue.table(records, schema=schema)


def _newest_only(table: Table, column: str) -> str:
    """Return a condition with a constant, so that the preview of a large table reads only the newest file."""
    if not isinstance(table.schema().find_field(column).field_type, TimestamptzType):
        return ""
    newest = newest_value(table, column)
    if newest is None:
        return ""
    since = datetime.fromtimestamp(newest / 1_000_000, UTC) - timedelta(hours=1)
    return f" where {quote_name(column)} >= timestamptz '{since.isoformat()}'"


def _shown(value: Any) -> str | int | float | bool | None:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, str | int | bool) or value is None:
        return _cut(value) if isinstance(value, str) else value
    return _cut(str(value))


def _moment(value: datetime) -> str:
    """Return a moment like 25 Oct 2020 20:15 UTC, with no-break spaces for the narrow cells of the UI."""
    zone = " UTC" if value.tzinfo else ""
    moment = value.astimezone(UTC) if value.tzinfo else value
    text = f"{moment:%d %b %Y %H:%M:%S}".removesuffix(":00")
    return f"{text}{zone}".replace(" ", _NO_BREAK)


def _cut(text: str) -> str:
    return text if len(text) <= _PREVIEW_LENGTH else f"{text[: _PREVIEW_LENGTH - 1]}…"
