"""A change of a table, and the plan that makes it for the table's current state."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from pyiceberg.table import Table, Transaction

from foss_platform.lake.files.data_files import DataFiles, Rows, Slices
from foss_platform.lake.table.names import TableName


@dataclass(frozen=True)
class Change:
    """The content of a table's part in a commit, which creates a single snapshot.

    Attributes
    ----------
    rows
        New rows as Arrow, or None.
    replaces
        Existing rows that the new rows replace. With None, the commit only appends.
    files
        Files that are already written, used instead of `rows`, and the files that they replace. If the commit is
        refused, the written files are not deleted.
    properties
        Table properties set in the same commit.
    forgets
        Table properties removed in the same commit.
    summary
        Entries of the snapshot's summary, such as the writer and the reason of the change.
    alter
        Stages further changes, such as of columns, in a transaction on the table's current state.
    """

    rows: Rows | None = None
    replaces: Slices | None = None
    files: DataFiles | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    forgets: tuple[str, ...] = ()
    summary: Mapping[str, str] = field(default_factory=dict)
    alter: Callable[[Table, Transaction], None] | None = None


#: Number of conflicts over one table before they are an error. With 8 writers on one table, up to 25 were seen.
COMMIT_TRIES = 60

#: Called with the table's current state. Returns the change, or None if nothing is left to do.
Plan = Callable[[Table], Change | None]


def _on_nothing() -> Hashable:
    return None


@dataclass(frozen=True)
class TableChange:
    """One table's part in a commit of several tables.

    Attributes
    ----------
    plan
        Called again after each conflict over this table, with the state that the next try would change.
    depends_on
        Returns what the plan depends on besides its table, such as the outcome of an earlier table's plan. If another
        table's conflict changes this value, this table is planned again too.
    tries
        Number of conflicts over this table after which the commit is given up.
    """

    name: TableName
    plan: Plan
    depends_on: Callable[[], Hashable] = _on_nothing
    tries: int = COMMIT_TRIES
