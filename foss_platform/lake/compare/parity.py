"""Comparison of two engines' tables, row by row and type by type."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pyiceberg.table import Table

from foss_platform.lake.compare.diff import Difference, compared
from foss_platform.lake.query.duckdb_views import pin
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import key_of
from foss_platform.settings import Settings


@dataclass(frozen=True)
class Parity:
    """The comparison of one table. It can be read inside the context `parity_of`.

    Attributes
    ----------
    types
        One line for each column that only one table has, or that has different types.
    rows
        The row count of the first table.
    """

    types: tuple[str, ...]
    rows: int
    difference: Difference

    @property
    def holds(self) -> bool:
        """Whether the tables are identical."""
        return not self.types and not any(self.difference.counts.values())


@contextmanager
def parity_of(
    settings: Settings, name: TableName, one: Table, other: Table, tolerances: Mapping[str, float]
) -> Iterator[Parity]:
    """Compare two tables by the key of the first. See `lake.compare.diff.compared` for `tolerances`."""
    with compared(settings, pin(name, one), pin(name, other), key_of(one), (), tolerances) as difference:
        rows = difference.connection.execute(f"select count(*) from {pin(name, one).relation}").fetchone()
        yield Parity(tuple(_types(one, other)), rows[0] if rows else 0, difference)


def _types(one: Table, other: Table) -> Iterator[str]:
    ours = {field.name: str(field.field_type) for field in one.schema().fields}
    theirs = {field.name: str(field.field_type) for field in other.schema().fields}
    for column in dict.fromkeys([*ours, *theirs]):
        if ours.get(column) != theirs.get(column):
            yield f"{column}: {ours.get(column, 'missing')} and {theirs.get(column, 'missing')}"
