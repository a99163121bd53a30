"""Finds which pipelines feed each dbt node, and which nodes are built together. The manifest is the only input."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from foss_platform.transform.run_positions import is_source, table_of, upstream_nodes

_QUARANTINE_SUFFIX = "__rejected"
#: Stands for "no pipeline" among the users of a node. A pipeline's name is never empty.
_NOBODY = ""


@dataclass(frozen=True)
class Division:
    """The nodes of a project, divided by pipelines.

    Attributes
    ----------
    feeding
        For each model and seed: the pipelines whose bronze or quarantine is upstream. Empty for seeds, and for models
        that read only seeds or `ops.polls`.
    users
        For each model and seed: the pipelines that feed it. If no pipeline feeds it: the pipelines that use it through
        its readers. `""` is in the set if some reader, or the node itself, leads to no pipeline.
    """

    feeding: Mapping[str, frozenset[str]]
    users: Mapping[str, frozenset[str]]

    def builder(self, unique_id: str) -> tuple[str, ...]:
        """Return the sorted names of the pipelines that identify the build of the node.

        An empty tuple is the build `no_pipeline`. The tuple has one name if no other pipeline feeds or reads the node,
        and several for a shared model.

        A build reads only its own tables, tables of builds with fewer pipelines, and tables of the build `no_pipeline`.
        So builds never wait for each other in a circle.
        """
        fed, used = self.feeding[unique_id], self.users[unique_id] - {_NOBODY}
        if fed:
            return tuple(sorted(fed))
        return tuple(used) if len(self.users[unique_id]) == 1 else ()

    def is_shared(self, unique_id: str) -> bool:
        """Return whether several pipelines feed the node, so that automation builds it after their runs."""
        return len(self.feeding[unique_id]) > 1

    def fed_by(self, pipeline: str) -> set[str]:
        """Return the models that a pipeline feeds, and the nodes that these models read and that no pipeline feeds."""
        return {unique_id for unique_id, users in self.users.items() if pipeline in users}


def divide_by_pipeline(manifest: Mapping[str, Any]) -> Division:
    """Return which pipelines feed each model and seed of a manifest."""
    nodes = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot")
    }
    readers: dict[str, list[str]] = {unique_id: [] for unique_id in nodes}
    for unique_id, node in nodes.items():
        for upstream in node["depends_on"].get("nodes", ()):
            if upstream in readers:
                readers[upstream].append(unique_id)
    feeding: dict[str, frozenset[str]] = {}
    users: dict[str, frozenset[str]] = {}

    def fed(unique_id: str) -> frozenset[str]:
        if unique_id not in feeding:
            upstream = nodes[unique_id]["depends_on"].get("nodes", ())
            sources = (manifest["sources"][name] for name in upstream if name in manifest["sources"])
            own = {table_of(s).name.removesuffix(_QUARANTINE_SUFFIX) for s in sources if s["schema"] == "bronze"}
            feeding[unique_id] = frozenset(own).union(*(fed(name) for name in upstream if name in nodes))
        return feeding[unique_id]

    def used(unique_id: str) -> frozenset[str]:
        if unique_id not in users:
            of_readers = (used(reader) for reader in readers[unique_id])
            users[unique_id] = fed(unique_id) or frozenset().union(*of_readers) or frozenset({_NOBODY})
        return users[unique_id]

    for unique_id in nodes:
        used(unique_id)
    return Division(feeding, users)


def read_of_no_pipeline(manifest: Mapping[str, Any], division: Division, chosen: Collection[str]) -> set[str]:
    """Return the nodes that no pipeline feeds and that the chosen nodes read, directly or through each other.

    The result contains no chosen nodes and no ephemeral models, which have no table.
    """
    found: set[str] = set()
    waiting = list(chosen)
    while waiting:
        for upstream, node in upstream_nodes(manifest, waiting.pop()):
            if not is_source(node) and not division.feeding[upstream] and upstream not in found:
                found.add(upstream)
                waiting.append(upstream)
    return found - set(chosen)


def with_readers(manifest: Mapping[str, Any], division: Division, unique_id: str) -> set[str]:
    """Return a node and all models that read it, directly or not."""
    found = {unique_id}
    waiting = [unique_id]
    while waiting:
        readers = set(manifest["child_map"].get(waiting.pop(), ())) & division.users.keys()
        waiting += readers - found
        found |= readers
    return found


def named(manifest: Mapping[str, Any], division: Division, name: str) -> str | None:
    """Return the id of the model or seed with a name, given as `table` or `namespace.table`. None if there is none."""
    for unique_id in division.users:
        table = table_of(manifest["nodes"][unique_id])
        if name in (table.name, str(table)):
            return unique_id
    return None
