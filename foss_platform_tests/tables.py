"""Reads tables as any other Iceberg reader does: with plain PyIceberg, without code of the platform."""

from typing import Any

from pyiceberg.catalog import load_catalog
from pyiceberg.utils.config import Config

from foss_platform.settings import Settings

Row = dict[str, Any]


def read(settings: Settings, table: str, columns: tuple[str, ...] = ("*",)) -> list[Row]:
    """Return all rows of a table, sorted by all values, without sequence numbers, which depend on the commits."""
    configured: Any = Config().get_catalog_config("lake")
    embedded = {"type": "sql", "uri": f"sqlite:///{settings.home / 'catalog.db'}"}
    catalog = load_catalog("lake", **(embedded if configured is None else configured))
    rows = catalog.load_table(table).scan(selected_fields=columns).to_arrow().to_pylist()
    for row in rows:
        row.pop("_sequence_number", None)
    return sorted(rows, key=lambda row: str(list(row.values())))


def content(settings: Settings, tables: tuple[str, ...]) -> dict[str, list[Row]]:
    """Return the rows of several tables, by name."""
    return {table: read(settings, table) for table in tables}
