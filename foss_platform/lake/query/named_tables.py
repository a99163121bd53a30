"""The names in a query, found by DuckDB's own parser: tables of the lake, reference tables, files in a store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from foss_platform.lake.query.reference_tables import REFERENCE
from foss_platform.lake.store.store_access import is_object_store_location
from foss_platform.lake.table.names import TableName


@dataclass(frozen=True)
class Named:
    """The names in a query.

    Attributes
    ----------
    tables
        Tables named with a namespace, whether they exist or not.
    files
        Addresses in object stores, in any function: `read_csv('s3://…')` or `from 's3://…'`.
    reference
        Whether the query names a reference table.
    """

    tables: frozenset[TableName]
    files: frozenset[str]
    reference: bool


NOTHING = Named(frozenset(), frozenset(), reference=False)


def names_in(parsed: Any) -> Named:
    """Return the names in a statement parsed by `json_serialize_sql`.

    DuckDB's `get_table_names` is not used, because it also binds the query, which fails before the views exist, and
    because it also returns aliases.
    """
    nodes = list(_nodes(parsed))
    tables = [node for node in nodes if isinstance(node, dict) and node.get("type") == "BASE_TABLE"]
    return Named(
        frozenset(
            TableName(node["schema_name"], node["table_name"])
            for node in tables
            if node["schema_name"] and node["catalog_name"] != REFERENCE
        ),
        frozenset(node for node in nodes if isinstance(node, str) and is_object_store_location(node)),
        any(node["catalog_name"] == REFERENCE for node in tables),
    )


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(part)
