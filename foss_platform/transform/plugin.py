"""The dbt-duckdb plugin: shows each Iceberg table as a view, and commits a model's rows to its table.

The tables of a run are pinned when the connection is configured, so that the run reads one consistent state. A table
that the run builds is pinned again after its commit. If `dbt` was started by hand, all tables are pinned. See
`lake.build.derived` for the commits, and `dbt_package/macros` for the macros that call `store`.
"""

import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.lake.build.derived import (
    DerivedRows,
    Merge,
    adapt_columns,
    commit_derived,
    create_derived,
    derived_spec,
    documented,
)
from foss_platform.lake.commit.commit_with_retry import sync_properties
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.duckdb_views import connection_config, create_view, pin, prepare
from foss_platform.lake.query.reference_tables import attach_reference
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import LOGIC_PROPERTY, known_positions, position_properties
from foss_platform.lake.table.quoting import quote_text
from foss_platform.lake.table.statistics import newest_value
from foss_platform.lake.table.tables import TableSpec, find_table, find_tables, list_tables
from foss_platform.transform.handover import current_run
from foss_platform.transform.layout import model_layout
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.plan.changed_models import refuse_other_columns
from foss_platform.transform.project.parsed import kept_project

#: The table from which the macros read positions: (table_name, source_name, source_uuid, sequence_number).
_POSITIONS = "foss_state.positions"


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt-duckdb has no type information
    """The plugin named `lake` in the profile."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Called by dbt-duckdb once per process and set of credentials."""
        self._settings = current_run().settings
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._catalog: Catalog | None = None
        self._tables: dict[str, Table] = {}
        self._manifest: dict[str, Any] | None = None

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Set the memory limit and the spill folder, and forbid downloads."""
        config.update(connection_config(self._settings))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Pin the tables of the run and create their views."""
        prepare(conn)
        attach_reference(conn, self._settings)
        self._connection = conn.cursor()
        current_run().stop.watch(self._connection)
        self._catalog = open_catalog(self._settings)
        conn.create_function(  # type: ignore[call-overload]  # its stubs know no text for a type
            "foss_newest", self._newest, ["VARCHAR", "VARCHAR"], "VARCHAR", side_effects=True, null_handling="special"
        )
        self._connection.execute("create schema if not exists foss_state")
        self._connection.execute(
            f"create table {_POSITIONS} (table_name text, source_name text, source_uuid text, sequence_number bigint)"
        )
        loaded = self._tables_to_pin(self._catalog)
        # a position is valid only if its source is among the tables, so register all tables before the first is pinned
        self._tables = {str(name): table for name, table in loaded.items()}
        for name, table in loaded.items():
            self._pin(name, table)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Let a stop of the run interrupt the cursor."""
        current_run().stop.watch(cursor)

    def store(self, target_config: TargetConfig) -> None:
        """Commit a relation as the whole content of the model's Iceberg table, or as an increment to it.

        The materialization passes these options in `target_config.config`:

        - `table`: namespace and name of the table;
        - `upstream`: names of the tables that the model reads;
        - `merge`: `unique_key`, `prune_by` and `delete_when` of an increment. None for the whole content;
        - `layout`: from the node's configuration;
        - `docs`: for each column, its description;
        - `description`: of the table;
        - `unique_id`: of the node;
        - `only_when_changed`: True for a seed, which is committed only if its logic has changed.
        """
        assert self._connection is not None
        assert self._catalog is not None
        options = target_config.config
        name = TableName(*options["table"])
        incoming = str(target_config.relation)
        arrow_schema = documented(
            self._connection.execute(f"select * from {incoming} limit 0").to_arrow_table().schema, options["docs"]
        )
        spec = derived_spec(
            name, arrow_schema, options["docs"], options["description"], model_layout(name, options["layout"])
        )
        merge, logic = options["merge"], self._logic(options["unique_id"])
        properties = position_properties(self._available(options["upstream"]))
        if merge is None:
            properties[LOGIC_PROPERTY] = logic
        found = find_table(self._catalog, name)
        rows = DerivedRows(
            incoming,
            Merge(tuple(merge["unique_key"]), merge["prune_by"], merge["delete_when"]) if merge else None,
            self._base(name, found),
            properties,
            {"foss.engine": "duckdb", "foss.build": "step" if merge else "whole"},
        )
        is_seed = options["only_when_changed"]
        try:
            self._pin(name, self._committed(spec, rows, found, logic if is_seed else ""))
        except TransientError:
            # each pipeline's run builds a changed seed, so another run may have committed the same rows: use its table
            current = find_table(self._catalog, name) if is_seed else None
            if current is None or not _is_built_with(current, logic):
                raise
            self._pin(name, current)

    def _committed(self, spec: TableSpec, rows: DerivedRows, found: Table | None, unless_built_with: str) -> Table:
        """Commit the rows and return the table. Commits no rows if the table was built with `unless_built_with`."""
        assert self._connection is not None
        assert self._catalog is not None
        name, schema = spec.name, spec.schema
        assert isinstance(schema, pa.Schema)
        if found is None:
            # an increment merges into a table that this run has read. So if the table is missing, it was just dropped
            if rows.merge is not None:
                raise TransientError(f"{name} was dropped while this run was building it.", "Run again.")
            return create_derived(self._catalog, spec, self._connection, rows)
        table = sync_properties(self._catalog, name, found, spec.all_properties())
        if unless_built_with and _is_built_with(table, unless_built_with):
            return table
        if rows.merge is None:
            adapt_columns(self._catalog, name, table, schema)
        else:
            refuse_other_columns(name, table, schema)
        return commit_derived(self._catalog, name, self._connection, rows)

    def _tables_to_pin(self, catalog: Catalog) -> dict[TableName, Table]:
        wanted = current_run().tables
        names = list_tables(catalog) if wanted is None else sorted(wanted, key=str)
        return find_tables(catalog, names)

    def _base(self, name: TableName, found: Table | None) -> int | None:
        """Return the snapshot to which the rows apply: the one that the run has read, else the table's current one."""
        read = self._tables.get(str(name), found)
        return None if read is None else read.metadata.current_snapshot_id

    def _newest(self, table: str, column: str) -> str | None:
        """Return the newest value of a time column as text, from statistics of the pinned table, for macros."""
        newest = newest_value(self._tables[table], column) if table in self._tables else None
        return None if newest is None else datetime.fromtimestamp(newest / 1_000_000, UTC).isoformat()

    def _logic(self, unique_id: str) -> str:
        if self._manifest is None:
            manifest_file = current_run().manifest_file or kept_project(self._settings).manifest_file
            self._manifest = json.loads(manifest_file.read_text())
        return logic_hash(self._manifest, unique_id)

    def _pin(self, name: TableName, table: Table) -> None:
        assert self._connection is not None
        create_view(self._connection, pin(name, table))
        self._tables[str(name)] = table
        self._connection.execute(f"delete from {_POSITIONS} where table_name = {quote_text(str(name))}")
        for source, (source_uuid, number) in known_positions(name, self._tables).items():
            self._connection.execute(
                f"insert into {_POSITIONS} values (?, ?, ?, ?)", [str(name), source, source_uuid, number]
            )

    def _available(self, upstream: list[str]) -> dict[str, tuple[str, int]]:
        """For each source, return the lowest position among the model's upstream tables."""
        reached: dict[str, tuple[str, int]] = {}
        for table_name in upstream:
            if table_name not in self._tables:
                continue
            for source, position in known_positions(TableName(*table_name.split(".")), self._tables).items():
                reached[source] = min(reached.get(source, position), position, key=lambda p: p[1])
        return reached


def _is_built_with(table: Table, logic: str) -> bool:
    return table.current_snapshot() is not None and table.properties.get(LOGIC_PROPERTY) == logic
