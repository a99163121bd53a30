"""Errors of an increment whose model has changed since its table was built: they name `foss rebuild`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, FossError
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import LOGIC_PROPERTY
from foss_platform.lake.table.tables import find_table
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.run_positions import table_of


def refuse_other_columns(name: TableName, table: Table, incoming: pa.Schema) -> None:
    """Require that an increment has the columns of its table.

    Raises
    ------
    ConfigurationError
        If a column is new or missing. Iceberg would fill a missing column with nulls.
    """
    standing = set(table.schema().column_names)
    new, gone = sorted(set(incoming.names) - standing), sorted(standing - set(incoming.names))
    if new or gone:
        changes = [f"new: {', '.join(new)}"] * bool(new) + [f"missing: {', '.join(gone)}"] * bool(gone)
        raise ConfigurationError(
            f"The columns of the model {name} have changed since its table was built ({'; '.join(changes)}).",
            f"Run `foss rebuild {name.name}`.",
        )


def with_advice(manifest: Mapping[str, Any], catalog: Catalog, result: NodeResult) -> NodeResult:
    """Return a failed increment's result with the advice to rebuild, if its model has changed since the last rebuild.

    The engine's own error names only a column that it did not find. Other results are returned unchanged.
    """
    node = manifest["nodes"].get(result.unique_id)
    if result.status is not NodeStatus.ERROR or node is None:
        return result
    if node.get("config", {}).get("materialized") != "incremental" or "foss rebuild" in result.message:
        return result
    try:
        table = find_table(catalog, table_of(node))
    except FossError:
        # without the table there is no advice, but the user needs the node's own error
        return result
    if table is None or table.properties.get(LOGIC_PROPERTY) in (None, logic_hash(manifest, result.unique_id)):
        return result
    advice = (
        "The model, its macros, seeds or upstream models have changed since its table was built. If that is the cause, "
        f"run `foss rebuild {table_of(node).name}`."
    )
    return replace(result, message=f"{result.message.rstrip()}\n{advice}")
