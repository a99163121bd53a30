"""A staged change of one table, and the interface of a catalog that commits several of them.

A change is staged first: its files are written, but no reader sees them. The switch then makes the new state of all
tables current. Both catalogs of the platform have this interface: see `lake.connect.sql_catalog` and
`lake.connect.rest`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier


@dataclass(frozen=True)
class Staged:
    """A change of one table that is not committed yet.

    Attributes
    ----------
    base
        The state that the change was planned for. The switch is refused if the table has another state.
    table
        The state after the change. None if the catalog's server computes it.
    """

    base: Table
    requirements: tuple[TableRequirement, ...]
    updates: tuple[TableUpdate, ...]
    table: Table | None = None

    @property
    def identifier(self) -> Identifier:
        """The table's name."""
        return self.base.name()


class ConflictError(CommitFailedException):
    """Other commits were first, so nothing was committed.

    Attributes
    ----------
    tables
        The tables that have changed. Empty if the same switch can be tried again, such as after a deadlock.
    """

    def __init__(self, tables: Collection[Identifier]) -> None:
        names = ", ".join(sorted(".".join(table) for table in tables))
        super().__init__(f"Other commits were first: {names or 'the database chose this one to be tried again'}")
        self.tables = frozenset(tables)


class StagingCatalog(Protocol):
    """A catalog that stages changes and switches tables to their new state."""

    @property
    def commits_together(self) -> bool:
        """Whether one switch of several tables commits all or none of them."""

    def load_tables(self, identifiers: Sequence[Identifier]) -> dict[Identifier, Table]:
        """Load those of the tables that exist. A catalog that commits together returns all of the same state."""

    def stage(
        self, base: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> Staged:
        """Check the requirements, and write the metadata of the changed table if the catalog does not write it itself.

        Raises
        ------
        CommitFailedException
            If a requirement does not hold for `base`.
        """

    def switch(self, staged: Sequence[Staged]) -> list[Table]:
        """Commit all staged changes, and return the tables after them. Only one change is allowed if the catalog does
        not commit together.

        Raises
        ------
        ConflictError
            If other commits were first. Nothing was committed then.
        """


def staging(catalog: Catalog) -> StagingCatalog:
    """Return the same catalog with the type of its staging methods. `lake.connect.catalog` opens no other catalogs."""
    return cast("StagingCatalog", catalog)


def commits_together(catalog: Catalog) -> bool:
    """Return whether the catalog commits changes of several tables in one transaction."""
    return staging(catalog).commits_together
