"""What a query names, by DuckDB's own parser: tables of the lake, reference tables, files in an object store.

What belongs here: reading the parsed statement. What does not: finding or opening what is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from foss_platform.lake.query.reference_tables import REFERENCE
from foss_platform.lake.store.store_access import lies_in_a_store
from foss_platform.lake.table.names import TableName


@dataclass(frozen=True)
class Named:
    """What a query reads.

    Attributes
    ----------
    tables
        Those named with a namespace, whether they are there or not.
    files
        Addresses in object stores, whoever reads them: `read_csv('s3://…')` or `from 's3://…'`.
    reference
        Whether a reference table is among them.
    """

    tables: frozenset[TableName]
    files: frozenset[str]
    reference: bool


NOTHING = Named(frozenset(), frozenset(), reference=False)


def names_in(parsed: Any) -> Named:
    """What a statement names, as `json_serialize_sql` gives it.

    `get_table_names` binds the query as well, which fails before the views are there, and takes aliases for names.
    """
    nodes = list(_nodes(parsed))
    tables = [node for node in nodes if isinstance(node, dict) and node.get("type") == "BASE_TABLE"]
    return Named(
        frozenset(
            TableName(node["schema_name"], node["table_name"])
            for node in tables
            if node["schema_name"] and node["catalog_name"] != REFERENCE
        ),
        frozenset(node for node in nodes if isinstance(node, str) and lies_in_a_store(node)),
        any(node["catalog_name"] == REFERENCE for node in tables),
    )


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(part)
