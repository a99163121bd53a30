"""Divides a selection into the nodes to build and the nodes that are left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.supported.supported_dbt import Subset


def divide(
    manifest: Mapping[str, Any], subset: Subset, selection: Sequence[str]
) -> tuple[dict[str, str], list[NodeResult]]:
    """Return the names of the selected nodes, and the results of those that are refused, held back or below such nodes.

    A refused node is an error. A node that is held back is skipped, because the check `project_parses` reports why.
    """
    nodes = {**manifest["nodes"], **manifest.get("functions", {})}
    named = {unique_id: ".".join(node["fqn"]) for unique_id, node in nodes.items()}
    names = {unique_id: name for unique_id, name in named.items() if not selection or name in selection}
    left_out = []
    for unique_id in names:
        if reason := subset.reason(unique_id):
            status = NodeStatus.ERROR if unique_id in subset.refused else NodeStatus.SKIPPED
            left_out.append(NodeResult(unique_id, status, 0.0, None, reason, is_lasting=True))
    return names, left_out
