"""Divides a selection into the nodes to build and the nodes that are left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.supported.supported_dbt import Subset


def divide(
    manifest: Mapping[str, Any], subset: Subset, selection: Sequence[str]
) -> tuple[dict[str, str], list[NodeResult]]:
    """Return the names of the selected nodes, and the results of the selected nodes that are not built.

    Nodes are not built if they are refused, held back, or downstream of such a node. A refused node is an error. Other
    nodes are skipped, because the check `project_parses` or the refused node reports why.
    """
    nodes = {**manifest["nodes"], **manifest.get("functions", {})}
    named = {unique_id: ".".join(node["fqn"]) for unique_id, node in nodes.items()}
    names = {unique_id: name for unique_id, name in named.items() if not selection or name in selection}
    left_out = []
    for unique_id in names:
        if reason := subset.reason(unique_id):
            status = NodeStatus.ERROR if unique_id in subset.refused else NodeStatus.SKIPPED
            left_out.append(NodeResult(unique_id, status, 0.0, None, reason, is_permanent=True))
    return names, left_out


def dragged_along(manifest: Mapping[str, Any], chosen: Mapping[str, str]) -> list[str]:
    """Return the names of nodes that are not chosen, but that dbt would select together with the chosen nodes.

    dbt selects all nodes whose name begins with a chosen name: with the model `silver/parking.sql`, the models in the
    folder `silver/parking`. The run does not open the tables of these models, so dbt must exclude them.

    Parameters
    ----------
    chosen
        For each node: its fully qualified name.
    """
    names = set(chosen.values())
    found = []
    for unique_id, node in manifest["nodes"].items():
        parts = node["fqn"]
        if unique_id not in chosen and any(".".join(parts[:length]) in names for length in range(1, len(parts))):
            found.append(".".join(parts))
    return found
