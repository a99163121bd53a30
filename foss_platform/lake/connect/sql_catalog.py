"""The SQL catalog with ordered commits (`lake.connect.commit_order`). See `lake.connect.catalog` for opening it."""

from collections.abc import Sequence
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StagedTable, Table
from pyiceberg.table.update import TableUpdate

from foss_platform.lake.connect.commit_order import in_order, with_times_in_order


class OrderedSqlCatalog(SqlCatalog):
    """A SQL catalog in which no commit to a table is older than the previous one."""

    # A private method of PyIceberg. It applies a commit to the table's current metadata. No public method lets the
    # caller set the commit's time. `pipeline/lake/test_commit_order.py` fails if the name disappears.
    def _update_and_stage_table(
        self, current_table: Table | None, table_identifier: Any, requirements: Any, updates: Sequence[TableUpdate]
    ) -> StagedTable:
        if current_table is None:
            return super()._update_and_stage_table(current_table, table_identifier, requirements, tuple(updates))
        base = current_table.metadata
        staged = super()._update_and_stage_table(current_table, table_identifier, requirements, in_order(base, updates))
        staged.metadata = with_times_in_order(base, staged.metadata)
        return staged
