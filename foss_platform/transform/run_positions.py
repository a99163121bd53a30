"""Computes which tables the nodes of a run open, and how far they may read their sources.

On DuckDB, the macros in `steps.sql` compute the positions, too.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from foss_platform.lake.table.names import TableName

#: For each source table: its UUID, and the sequence number up to which it has been read.
Positions = Mapping[str, tuple[str, int]]


def table_of(node: Mapping[str, Any]) -> TableName:
    """Return the name in the lake of a node or source of the manifest."""
    return TableName(node["schema"], node.get("identifier") or node.get("alias") or node["name"])


def is_source(node: Mapping[str, Any]) -> bool:
    """Return whether the node is a source, which no node of the project builds."""
    return bool(node["resource_type"] == "source")


def is_ephemeral(node: Mapping[str, Any]) -> bool:
    """Return whether a node is ephemeral: it has no table, but is part of the queries that read it."""
    return not is_source(node) and node.get("config", {}).get("materialized") == "ephemeral"


def upstream_nodes(manifest: Mapping[str, Any], unique_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sources, models and seeds that a node reads. An ephemeral model is replaced by its upstream nodes."""
    for upstream in manifest["nodes"][unique_id]["depends_on"].get("nodes", ()):
        if node := manifest["sources"].get(upstream) or manifest["nodes"].get(upstream):
            if is_ephemeral(node):
                yield from upstream_nodes(manifest, upstream)
            else:
                yield upstream, node


def tables_of_run(manifest: Mapping[str, Any], built: Collection[str]) -> set[TableName]:
    """Return the tables that the nodes of a run read or write.

    The set includes all sources upstream, because only a source can show whether a position in it is still valid.
    """
    hooks = [unique_id for unique_id, node in manifest["nodes"].items() if node["resource_type"] == "operation"]
    found: set[TableName] = set()
    seen: set[str] = set()
    for unique_id in {*built, *hooks}:
        if unique_id not in manifest["nodes"]:
            continue
        node = manifest["nodes"][unique_id]
        if node["resource_type"] in ("model", "seed") and not is_ephemeral(node):
            found.add(table_of(node))
        found |= {table_of(upstream) for _, upstream in upstream_nodes(manifest, unique_id)}
        found |= _sources_above(manifest, unique_id, seen)
    return found


def _sources_above(manifest: Mapping[str, Any], unique_id: str, seen: set[str]) -> set[TableName]:
    found: set[TableName] = set()
    for upstream, node in upstream_nodes(manifest, unique_id):
        if upstream in seen:
            continue
        seen.add(upstream)
        found |= {table_of(node)} if is_source(node) else _sources_above(manifest, upstream, seen)
    return found


def readable_positions(
    manifest: Mapping[str, Any], built: Collection[str], known: Mapping[TableName, Positions], unique_id: str
) -> dict[str, tuple[str, int]]:
    """For each source, return the lowest position that any upstream table of the node will have reached.

    The positions are those at the moment when the node is built.

    Parameters
    ----------
    built
        The nodes that this run builds. When they are built, they reach the lowest position of their upstream tables.
    known
        For each table: its positions when the run began. A source counts as read to its own end.
    """
    least: dict[str, tuple[str, int]] = {}
    for upstream, node in upstream_nodes(manifest, unique_id):
        is_built = upstream in built and not is_source(node)
        reached = readable_positions(manifest, built, known, upstream) if is_built else known.get(table_of(node), {})
        for source, position in reached.items():
            if source not in least or position[1] < least[source][1]:
                least[source] = position
    return least
