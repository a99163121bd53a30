"""A transaction that works out its metadata once a change, with its times in order. What is staged is the callers'.

PyIceberg's `Transaction.table_metadata` applies all staged updates and copies the whole of the metadata each time
it is asked, some 14 times in a commit (0.12): half of what a poll cost with 20 live snapshots.
"""

from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import update_table_metadata

from foss_platform.lake.connect.commit_order import in_order, with_times_in_order


class SteadyTransaction(Transaction):
    """As `Transaction`; nobody may change the metadata that it hands out, and PyIceberg does not."""

    _known: tuple[object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata with what is staged so far."""
        # staging makes a new tuple of updates, so the same tuple means the same metadata; a private name of
        # PyIceberg's: `test_transaction.py` notices when it goes or no longer changes
        if self._known is None or self._known[0] is not self._updates:
            base = self._table.metadata
            # with the times that the commit will have: what it pins is chosen by them
            staged = update_table_metadata(base, in_order(base, self._updates))
            self._known = (self._updates, with_times_in_order(base, staged))
        return self._known[1]
