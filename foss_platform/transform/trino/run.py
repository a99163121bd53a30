"""Prepares a dbt run on Trino (the variables that the macros read), and completes each node's table.

A table is completed after its statement has ended.

dbt-trino has no plugins, so this module does the work of the DuckDB plugin around the run. See
`dbt_package/macros/trino.sql` for the statements.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import certifi

from foss_platform.errors import FossError, PermanentError
from foss_platform.lake.build.commit_and_compact import maintain_after_commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import LOGIC_PROPERTY, known_positions
from foss_platform.lake.table.tables import find_tables
from foss_platform.lake.trino.connection import coordinator
from foss_platform.settings import Settings
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.run_positions import (
    Positions,
    is_ephemeral,
    is_source,
    readable_positions,
    table_of,
    tables_of_run,
    upstream_nodes,
)
from foss_platform.transform.trino.built_table import BuiltTable, finish_table

#: JSON for the macro `handed_over`: `sources` (for each node and source: `uuid`, `available` and `consumed`), `logic`
#: (for each node: hash) and `built_with` (for each table: hash).
_RUN = "DBT_FOSS_RUN"


def profile_variables(settings: Settings) -> dict[str, str]:
    """Return the environment variables that the profile reads.

    Raises
    ------
    ConfigurationError
        If the settings for Trino are incomplete.
    """
    server = coordinator(settings)
    return {
        "DBT_FOSS_TRINO_HOST": server.host,
        "DBT_FOSS_TRINO_PORT": str(server.port),
        "DBT_FOSS_TRINO_USER": server.user,
        "DBT_FOSS_TRINO_CATALOG": settings.trino_catalog,
        "DBT_FOSS_TRINO_CA_FILE": str(settings.trino_ca_file or certifi.where()),
        "DBT_ENV_SECRET_FOSS_TRINO_PASSWORD": server.password,
    }


class TrinoRun:
    """The lake at the start of a run, and the state of the tables that the run builds."""

    def __init__(
        self, settings: Settings, manifest: Mapping[str, Any], built: Collection[str], stop_at: Mapping[str, int]
    ) -> None:
        """Read the state of the tables that the run opens.

        Parameters
        ----------
        manifest
            The content of dbt's `manifest.json`.
        built
            The nodes to build.
        stop_at
            For each source: the highest sequence number that this run reads. Other sources are read to their end.

        Raises
        ------
        FossError
            If the catalog cannot be read.
        """
        self._manifest = manifest
        self._catalog = open_catalog(settings)
        names = find_tables(self._catalog, tables_of_run(self._manifest, built))
        tables = {str(name): table for name, table in names.items()}
        #: for each table: the current snapshot as far as this run knows
        self._stands = {name: tables[str(name)].metadata.current_snapshot_id for name in names}
        self._built_with = {name: table.properties.get(LOGIC_PROPERTY, "") for name, table in tables.items()}
        self._columns = {name: list(table.schema().column_names) for name, table in tables.items()}
        self._known: dict[TableName, Positions] = {
            name: {
                source: (source_uuid, min(number, stop_at.get(source, number)))
                for source, (source_uuid, number) in known_positions(name, tables).items()
            }
            for name in names
        }
        nodes = self._manifest["nodes"]
        self._built = {unique_id for unique_id in built if unique_id in nodes}
        #: nodes whose macros need positions: dbt compiles ephemeral models for their readers, even if not selected
        self._asking = self._built | {uid for uid, node in nodes.items() if is_ephemeral(node)}

    def variables(self) -> dict[str, str]:
        """Return the environment variables that the macros read."""
        state = {
            "sources": {unique_id: self._sources(unique_id) for unique_id in self._asking},
            "logic": {unique_id: logic_hash(self._manifest, unique_id) for unique_id in self._built},
            "built_with": self._built_with,
            "columns": {name: self._columns[name] for name in self._incremental_tables()},
        }
        return {_RUN: json.dumps(state)}

    def _incremental_tables(self) -> Iterator[str]:
        """Yield the existing tables of the incremental models that this run builds."""
        for unique_id in self._built:
            node = self._manifest["nodes"][unique_id]
            name = str(table_of(node)) if node["config"].get("materialized") == "incremental" else ""
            if name in self._columns:
                yield name

    def finished(self, result: NodeResult) -> NodeResult:
        """Complete a node's table and return the node's result. An error of this step becomes the node's error.

        dbt continues meanwhile and does not know about the error.
        """
        # an unchanged seed sends no statement to Trino
        if result.status is not NodeStatus.SUCCESS or not result.query_id:
            return result
        node = self._manifest["nodes"][result.unique_id]
        name = table_of(node)
        reads = [table_of(read) for _, read in upstream_nodes(self._manifest, result.unique_id) if not is_source(read)]
        built = BuiltTable(
            name,
            node,
            query_id=result.query_id,
            is_step=result.is_step,
            base_snapshot=self._stands.get(name),
            positions=readable_positions(self._manifest, self._built, self._known, result.unique_id),
            read_from={read: self._stands.get(read) for read in reads},
        )
        try:
            table = finish_table(self._catalog, built)
        except FossError as error:
            # the readers may read rows that this run did not build. Without a snapshot to expect, they fail too
            self._stands[name] = None
            lasting = isinstance(error, PermanentError)
            return replace(result, status=NodeStatus.ERROR, message=str(error), is_permanent=lasting)
        self._stands[name] = table.metadata.current_snapshot_id
        maintain_after_commit(self._catalog, built.name, table)
        return result

    def _sources(self, unique_id: str) -> dict[str, dict[str, Any]]:
        consumed = self._known.get(table_of(self._manifest["nodes"][unique_id]), {})
        return {
            source: {
                "uuid": source_uuid,
                "available": available,
                "consumed": consumed[source][1] if consumed.get(source, ("", 0))[0] == source_uuid else None,
            }
            for source, (source_uuid, available) in readable_positions(
                self._manifest, self._built, self._known, unique_id
            ).items()
        }
