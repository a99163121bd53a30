"""Finds the seeds and models that no pipeline feeds and that a run must build before its own nodes.

A run does not rebuild these nodes each time. For each, it only compares the table with the project, so an unchanged
seed costs one metadata read.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pyiceberg.catalog import Catalog

from foss_platform.lake.table.positions import LOGIC_PROPERTY
from foss_platform.lake.table.tables import find_table
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.plan.pipelines import Division, read_of_no_pipeline
from foss_platform.transform.run_positions import table_of


def stale_nodes(
    manifest: Mapping[str, Any], division: Division, catalog: Catalog, chosen: Collection[str]
) -> list[str]:
    """Return the nodes to build first: no pipeline feeds them, the chosen nodes read them, and their tables are stale.

    A node's table is stale if it does not exist. A seed's table is also stale if the seed's rows have changed since the
    table was built.
    """
    return [
        unique_id
        for unique_id in sorted(read_of_no_pipeline(manifest, division, chosen))
        if _is_stale(manifest, catalog, unique_id)
    ]


def attached_tests(manifest: Mapping[str, Any], nodes: Collection[str]) -> list[str]:
    """Return the tests that dbt attaches to the nodes."""
    return [
        unique_id
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "test" and node.get("attached_node") in nodes
    ]


def _is_stale(manifest: Mapping[str, Any], catalog: Catalog, unique_id: str) -> bool:
    table = find_table(catalog, table_of(manifest["nodes"][unique_id]))
    if table is None:
        return True
    is_seed = manifest["nodes"][unique_id]["resource_type"] == "seed"
    return is_seed and table.properties.get(LOGIC_PROPERTY) != logic_hash(manifest, unique_id)
