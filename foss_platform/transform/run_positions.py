"""How far a node of a run may read its sources; on DuckDB `steps.sql` asks the same. Not here: reading tables."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from foss_platform.lake.table.names import TableName

#: By source table, its UUID and the sequence number up to which it is read.
Positions = Mapping[str, tuple[str, int]]


def table_of(node: Mapping[str, Any]) -> TableName:
    """The name that a node of the manifest, or a source, has in the lake."""
    return TableName(node["schema"], node.get("identifier") or node.get("alias") or node["name"])


def is_source(node: Mapping[str, Any]) -> bool:
    """Whether no node of the project builds it."""
    return bool(node["resource_type"] == "source")


def is_ephemeral(node: Mapping[str, Any]) -> bool:
    """Whether a node is part of the queries that read it, and has no table."""
    return not is_source(node) and node.get("config", {}).get("materialized") == "ephemeral"


def upstream_nodes(manifest: Mapping[str, Any], unique_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The sources, models and seeds that a node is made from; through an ephemeral model, which has no table."""
    for upstream in manifest["nodes"][unique_id]["depends_on"].get("nodes", ()):
        if node := manifest["sources"].get(upstream) or manifest["nodes"].get(upstream):
            if is_ephemeral(node):
                yield from upstream_nodes(manifest, upstream)
            else:
                yield upstream, node


def readable_positions(
    manifest: Mapping[str, Any], built: Collection[str], known: Mapping[TableName, Positions], unique_id: str
) -> dict[str, tuple[str, int]]:
    """By source, how far all that a node is made from has read it by the time that the node is built.

    Parameters
    ----------
    built
        The nodes that this run builds: they read as far as what they are made from.
    known
        By table, how far it has read when the run begins; a source has read itself.
    """
    least: dict[str, tuple[str, int]] = {}
    for upstream, node in upstream_nodes(manifest, unique_id):
        is_built = upstream in built and not is_source(node)
        reached = readable_positions(manifest, built, known, upstream) if is_built else known.get(table_of(node), {})
        for source, position in reached.items():
            if source not in least or position[1] < least[source][1]:
                least[source] = position
    return least
