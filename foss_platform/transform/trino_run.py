"""What a dbt run on Trino needs of the platform. Not here: the statements, which are macros (`macros/trino.sql`).

dbt-trino has no plugins, so what the DuckDB plugin does is done around the run: before it, what the profile and the
macros read from the environment; after a node, what Trino's SQL cannot say of its table.
"""

import json
from collections.abc import Mapping
from typing import Any

import certifi

from foss_platform.lake.catalog import open_catalog
from foss_platform.lake.changes import follow_properties
from foss_platform.lake.commit import keep_up
from foss_platform.lake.failures import lake_failures
from foss_platform.lake.names import TableName
from foss_platform.lake.positions import LOGIC_PROPERTY, known_positions
from foss_platform.lake.tables import TableSpec, list_tables, load_table
from foss_platform.lake.trino import coordinator
from foss_platform.settings import Settings
from foss_platform.transform.layout import model_layout
from foss_platform.transform.logic import logic_hash

#: JSON for the macro `handed_over`: `positions` (table to source to UUID and number), `logic` (node to hash) and
#: `built_with` (table to hash).
_RUN = "DBT_FOSS_RUN"


def handed_to_dbt(settings: Settings, manifest: Mapping[str, Any] | None, stop_at: Mapping[str, int]) -> dict[str, str]:
    """The variables that the profile and the macros read.

    Parameters
    ----------
    manifest
        The prepared one; None while it is made, when no macro asks.
    stop_at
        By source, the sequence number beyond which this run reads none of it; all where it is not named.

    Raises
    ------
    ConfigurationError
        When the settings do not say how Trino is reached.
    """
    server = coordinator(settings)
    variables = {
        "DBT_FOSS_TRINO_HOST": server.host,
        "DBT_FOSS_TRINO_PORT": str(server.port),
        "DBT_FOSS_TRINO_USER": server.user,
        "DBT_FOSS_TRINO_CATALOG": settings.trino_catalog,
        "DBT_FOSS_TRINO_CA_FILE": str(settings.trino_ca_file or certifi.where()),
        "DBT_ENV_SECRET_FOSS_TRINO_PASSWORD": server.password,
    }
    if manifest is not None:
        variables[_RUN] = json.dumps(_state_of_lake(settings, manifest, stop_at))
    return variables


def _state_of_lake(settings: Settings, manifest: Mapping[str, Any], stop_at: Mapping[str, int]) -> dict[str, Any]:
    catalog = open_catalog(settings)
    tables = {str(name): load_table(catalog, name) for name in list_tables(catalog)}
    return {
        "positions": {
            name: {
                source: (source_uuid, min(number, stop_at.get(source, number)))
                for source, (source_uuid, number) in known_positions(TableName(*name.split(".")), tables).items()
            }
            for name in tables
        },
        "logic": {unique_id: logic_hash(manifest, unique_id) for unique_id in manifest["nodes"]},
        "built_with": {name: table.properties.get(LOGIC_PROPERTY, "") for name, table in tables.items()},
    }


def finish_table(settings: Settings, manifest: Mapping[str, Any], unique_id: str) -> None:
    """Give the table that Trino built its key, policy and docs, and the upkeep that is due; commits only what differs.

    Raises
    ------
    ConfigurationError
        When the model's upkeep is not understood.
    """
    node = manifest["nodes"][unique_id]
    name = TableName(node["schema"], node["alias"])
    catalog = open_catalog(settings)
    table = load_table(catalog, name)
    layout = model_layout(name, node["config"])
    spec = TableSpec(name, table.schema().as_arrow(), node["description"], layout.key, layout.cluster_by, layout.policy)
    table = follow_properties(catalog, name, table, spec.all_properties())
    docs = {column.lower(): said["description"] for column, said in node["columns"].items()}
    stale = [field for field in table.schema().fields if (field.doc or "") != docs.get(field.name.lower(), "")]
    if stale:
        with lake_failures(), table.update_schema() as update:
            for field in stale:
                update.update_column(field.name, doc=docs.get(field.name.lower(), ""))
    keep_up(catalog, name, table)
