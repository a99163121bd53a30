"""Expiring the snapshots that a table's policy no longer keeps."""

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table, Transaction

from foss_platform.lake.commit.commit_with_retry import alter
from foss_platform.lake.snapshots.expiry import expire_surplus, surplus_snapshots
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table


def expire(catalog: Catalog, name: TableName) -> None:
    """Expire the snapshots that the policy no longer keeps, after pinning states to retain. Makes at most one commit.

    Raises
    ------
    TransientError
        If other commits were first in every try, or the store or catalog failed.
    """

    def change(table: Table, transaction: Transaction) -> None:
        expire_surplus(transaction, table)

    if surplus_snapshots(load_table(catalog, name)):
        alter(catalog, name, change)
