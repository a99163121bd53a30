"""A table that Trino has just built: what Trino's SQL cannot say of it, in one commit. Not here: the run.

A step's rows and the position up to which they contain the sources cannot be one commit on Trino. The position
follows only where the table holds just what it held when the run began, and the step: where anything came between,
a late commit or a roll back, the next run reads the same rows once more, which changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table, Transaction
from pyiceberg.table.update.snapshot import ManageSnapshots

from foss_platform.errors import PassingError
from foss_platform.lake.commit.changes import alter, lacking_properties
from foss_platform.lake.snapshots.lineage import holds_rows_of, snapshot_of_rows
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import position_keys, position_properties
from foss_platform.lake.table.tables import TableSpec, load_table
from foss_platform.transform.layout import model_layout
from foss_platform.transform.run_positions import Positions

# what Trino notes in the summary of each snapshot that it makes; no step would be noted without it
_QUERY_ID = "trino_query_id"


@dataclass(frozen=True)
class BuiltTable:
    """A table and the statement that made its rows.

    Attributes
    ----------
    node
        The manifest's.
    query_id
        Trino's name of the statement.
    is_step
        Whether it merged rows into those that stood, rather than replacing all of them and noting the positions too.
    base_snapshot
        The snapshot that the table was at when the run began; None for none.
    positions
        By source, its UUID and how far the rows contain it.
    read_from
        By table of this project's that it was made from, the snapshot that this run takes it to be at.
    """

    name: TableName
    node: Mapping[str, Any]
    query_id: str
    is_step: bool
    base_snapshot: int | None
    positions: Positions
    read_from: Mapping[TableName, int | None]


def finish_table(catalog: Catalog, built: BuiltTable) -> Table:
    """Give the table its key, policy and docs, and after a step its positions; commits only what it lacks.

    Returns
    -------
    The table as it then stands.

    Raises
    ------
    ConfigurationError
        When the model's maintenance is not understood.
    PassingError
        When another changed the table, or what it is made from, meanwhile; it says of itself then that it holds less
        than it may, and the next run reads that again.
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
        raise PassingError(
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
    """Whether the rows are those that the statement left, and a step's came to those that it was meant for."""
    standing = snapshot_of_rows(table, table.metadata.current_snapshot_id)
    snapshot = table.snapshot_by_id(standing) if standing is not None else None
    is_ours = (
        snapshot is not None
        and snapshot.summary is not None
        and snapshot.summary.additional_properties.get(_QUERY_ID) == built.query_id
    )
    if not built.is_step:
        # a whole without a row may be no snapshot at all
        return is_ours or standing is None
    before = snapshot_of_rows(table, snapshot.parent_snapshot_id) if is_ours and snapshot is not None else standing
    return before == snapshot_of_rows(table, built.base_snapshot)


def _require_snapshot(table: Table, transaction: Transaction) -> None:
    """Let the commit be refused where the table's rows are no longer those that were looked at."""
    if table.metadata.current_snapshot_id is not None:
        # setting what is set changes nothing, and requires that it is still so; properties alone require nothing
        ManageSnapshots(transaction).set_current_snapshot(table.metadata.current_snapshot_id).commit()


def _follow_docs(table: Table, transaction: Transaction, docs: Mapping[str, str]) -> None:
    stale = [field for field in table.schema().fields if (field.doc or "") != docs.get(field.name.lower(), "")]
    if stale:
        with transaction.update_schema() as update:
            for field in stale:
                update.update_column(field.name, doc=docs.get(field.name.lower(), ""))
