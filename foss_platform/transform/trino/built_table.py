"""After Trino has built a table, adds what Trino's SQL cannot express (key, policy, docs, positions), in one commit.

On Trino, the rows of an increment and its source positions cannot be one commit. The positions are committed only if
the table contains exactly its content at the start of the run plus the increment. After any other change, such as a
late commit or a rollback, the next run reads the same rows again, which changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table, Transaction
from pyiceberg.table.update.snapshot import ManageSnapshots

from foss_platform.errors import TransientError
from foss_platform.lake.commit.commit_with_retry import alter, lacking_properties
from foss_platform.lake.snapshots.lineage import holds_rows_of, snapshot_of_rows
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import position_keys, position_properties
from foss_platform.lake.table.tables import TableSpec, load_table
from foss_platform.transform.layout import model_layout
from foss_platform.transform.run_positions import Positions

# Trino adds this key to the summary of each of its snapshots. A snapshot without it counts as another writer's
_QUERY_ID = "trino_query_id"


@dataclass(frozen=True)
class BuiltTable:
    """A table and the statement that built its rows.

    Attributes
    ----------
    node
        The node of the manifest.
    query_id
        Trino's id of the statement.
    is_step
        True if the statement merged an increment. False if it replaced all rows; such a statement records the positions
        itself.
    base_snapshot
        The table's snapshot at the start of the run. None if it had no snapshot.
    positions
        For each source: its UUID, and the highest sequence number that the rows contain.
    read_from
        For each upstream table of this project: the id of the snapshot that this run read. If the table has other rows
        by now, no position is committed.
    """

    name: TableName
    node: Mapping[str, Any]
    query_id: str
    is_step: bool
    base_snapshot: int | None
    positions: Positions
    read_from: Mapping[TableName, int | None]


def finish_table(catalog: Catalog, built: BuiltTable) -> Table:
    """Set the table's key, policy and docs, and after an increment the positions. Only missing values are committed.

    Returns
    -------
    The table after the commit.

    Raises
    ------
    ConfigurationError
        If the model's maintenance is invalid.
    TransientError
        If another writer changed the table or an upstream table meanwhile. The positions are then not advanced, and the
        next run reads the same rows again.
    """
    layout = model_layout(built.name, built.node["config"])
    docs = {column.lower(): said["description"] for column, said in built.node["columns"].items()}
    others: list[str] = []

    def change(table: Table, transaction: Transaction) -> None:
        description = built.node["description"]
        spec = TableSpec(
            built.name, table.schema().as_arrow(), description, layout.key, layout.cluster_by, layout.policy
        )
        others[:] = _changed_by_others(catalog, table, built)
        wanted = dict(spec.all_properties())
        if built.is_step and not others:
            wanted |= position_properties(built.positions)
        if lacking := lacking_properties(table, wanted):
            _require_snapshot(table, transaction)
            transaction.set_properties(lacking)
        if others and not built.is_step and (noted := position_keys(table)):
            transaction.remove_properties(*noted)
        _follow_docs(table, transaction, docs)

    table = alter(catalog, built.name, change)
    if others:
        subject = "it" if others == [str(built.name)] else str(built.name)
        raise TransientError(
            f"{' and '.join(others)} changed while this run was building {subject}.",
            "Run again; only one run at a time should build a table.",
        )
    return table


def _changed_by_others(catalog: Catalog, table: Table, built: BuiltTable) -> list[str]:
    found = [] if _is_of(table, built) else [str(built.name)]
    for name, snapshot_id in built.read_from.items():
        if not holds_rows_of(load_table(catalog, name), snapshot_id):
            found.append(str(name))
    return found


def _is_of(table: Table, built: BuiltTable) -> bool:
    """Return whether the rows are the statement's result, and an increment was merged into the expected rows."""
    standing = snapshot_of_rows(table, table.metadata.current_snapshot_id)
    snapshot = table.snapshot_by_id(standing) if standing is not None else None
    is_ours = (
        snapshot is not None
        and snapshot.summary is not None
        and snapshot.summary.additional_properties.get(_QUERY_ID) == built.query_id
    )
    if not built.is_step:
        # a full build without rows may create no snapshot, so a table without a snapshot is its result, too
        return is_ours or standing is None
    before = snapshot_of_rows(table, snapshot.parent_snapshot_id) if is_ours and snapshot is not None else standing
    return before == snapshot_of_rows(table, built.base_snapshot)


def _require_snapshot(table: Table, transaction: Transaction) -> None:
    """Make the commit fail if the table's rows have changed since they were checked."""
    if table.metadata.current_snapshot_id is not None:
        # a commit of properties alone does not require unchanged rows. One that sets the current snapshot again does
        ManageSnapshots(transaction).set_current_snapshot(table.metadata.current_snapshot_id).commit()


def _follow_docs(table: Table, transaction: Transaction, docs: Mapping[str, str]) -> None:
    stale = [field for field in table.schema().fields if (field.doc or "") != docs.get(field.name.lower(), "")]
    if stale:
        with transaction.update_schema() as update:
            for field in stale:
                update.update_column(field.name, doc=docs.get(field.name.lower(), ""))
