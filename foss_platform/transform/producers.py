"""Finds what makes each table: a model, a seed, a page, or the platform itself."""

from collections.abc import Iterable, Mapping

from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings

#: The namespace of the platform's own tables.
_OWN = "ops"


def producers(settings: Settings, feeds: Iterable[Feed]) -> dict[TableName, str]:
    """For each table, return its producer in words. Parses the dbt project if its files have changed.

    Raises
    ------
    ConfigurationError
        If the dbt project cannot be read.
    OSError
        If parsing cannot write to the home.
    """
    from foss_platform.transform.project.manifest import read_manifest

    found = _of_project(read_manifest(settings))
    for feed in feeds:
        found[feed.bronze] = f"the page of pipeline {feed.name}"
        found[feed.rejected] = f"the page of pipeline {feed.name}, as its quarantine"
    return found


def producer_of(name: TableName, known: Mapping[TableName, str]) -> str | None:
    """Return a table's producer in words, or None if nothing makes the table."""
    return "the platform itself" if name.namespace == _OWN else known.get(name)


def _of_project(manifest: Mapping[str, object]) -> dict[TableName, str]:
    from foss_platform.transform.run_positions import table_of

    nodes = manifest["nodes"]
    assert isinstance(nodes, dict)
    return {
        table_of(node): f"the {node['resource_type']} {node['original_file_path']}"
        for node in nodes.values()
        if node["resource_type"] in ("model", "seed", "snapshot") and node["config"].get("materialized") != "ephemeral"
    }
