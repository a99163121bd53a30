"""Changing a table: append or replace, judged against the state that the commit lands on.

What belongs here: the one loop that writes, commits and on a conflict asks again. What does not: what the rows
are, or the care that follows a commit (`lake.build.commit_and_compact`).

PyIceberg's own retry is off (`lake.table.tables.DEFAULT_PROPERTIES`): it rebases a commit without asking
whether the same batch has meanwhile arrived, so two stale handles appended one batch twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction

from foss_platform.errors import PassingError
from foss_platform.lake.commit.transaction import SteadyTransaction
from foss_platform.lake.files.data_files import (
    FULL_ROWS_PROPERTY,
    DataFiles,
    Rows,
    Slices,
    rows_outside,
    write_data_files,
)
from foss_platform.lake.files.row_deletes import replacement
from foss_platform.lake.ownership.ownership import require_own
from foss_platform.lake.snapshots.expiry import expire_surplus
from foss_platform.lake.snapshots.pins import pin_state, pinnable_hour
from foss_platform.lake.store.failures import expired_elsewhere, lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import build_properties
from foss_platform.lake.table.tables import load_table

#: tries before a conflict is given up: 8 writers on one table needed up to 20
COMMIT_TRIES = 60
_MAX_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Change:
    """What one commit does to a table, all of it in a single snapshot.

    Attributes
    ----------
    rows
        New rows as Arrow, or None for none.
    replaces
        Existing rows that the new ones replace; None only appends.
    files
        Instead of rows: files that are written already and those that they take the place of. They stay
        where they are when the commit is refused.
    properties
        Table properties set in the same commit.
    forgets
        Table properties removed in the same commit.
    summary
        Written into the snapshot's summary: who wrote it, and why.
    """

    rows: Rows | None = None
    replaces: Slices | None = None
    files: DataFiles | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    forgets: tuple[str, ...] = ()
    summary: Mapping[str, str] = field(default_factory=dict)


def apply_change(
    catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None], tries: int | None = None
) -> Table:
    """Ask `plan` what to do about the table as it stands, do it, and ask again when another commit came first.

    Parameters
    ----------
    plan
        Called with the table's current state; returns the change, or None when nothing is left to
        do. It is called once a try, so membership is judged against the state the commit lands on.

    Raises
    ------
    PassingError
        When others kept winning, or the store or catalog failed. Nothing was committed then.
    """
    return _until_committed(name, lambda: _try_once(catalog, name, plan), tries or COMMIT_TRIES)


def alter(catalog: Catalog, name: TableName, change: Callable[[Table, Transaction], None]) -> Table:
    """Change a table's columns and properties in one commit, asked again when another commit came first.

    Parameters
    ----------
    change
        Stages on the transaction what the table, as it stands, still lacks; it may stage nothing.

    Raises
    ------
    PassingError
        As `apply_change`.
    """

    def once() -> Table:
        require_own(catalog)
        table = load_table(catalog, name)
        with lake_failures(), expired_elsewhere(), SteadyTransaction(table) as transaction:
            change(table, transaction)
        return table

    return _until_committed(name, once, COMMIT_TRIES)


def lacking_properties(table: Table, wanted: Mapping[str, str]) -> dict[str, str]:
    """Of the properties those that the table does not have as wanted."""
    return {key: value for key, value in wanted.items() if table.properties.get(key) != value}


def follow_properties(catalog: Catalog, name: TableName, table: Table, wanted: Mapping[str, str]) -> Table:
    """Give the table the properties that it does not have as wanted; no commit where it has them all."""
    changed = lacking_properties(table, wanted)
    if not changed:
        return table

    def change(_: Table, transaction: Transaction) -> None:
        transaction.set_properties(changed)

    return alter(catalog, name, change)


def _until_committed(name: TableName, once: Callable[[], Table], tries: int) -> Table:
    import tenacity

    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(CommitFailedException),
        stop=tenacity.stop_after_attempt(tries),
        wait=tenacity.wait_random_exponential(multiplier=0.02, max=_MAX_WAIT_SECONDS),
        reraise=True,
    )
    try:
        return trying(once)
    except CommitFailedException as error:
        raise PassingError(
            f"{name} changed under {tries} tries to commit to it; nothing was written.",
            "Another process is writing to it; run again when it has ended.",
        ) from error


def _try_once(catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None]) -> Table:
    table = load_table(catalog, name)
    change = plan(table)
    if change is None:
        return table
    # before the first file: what a refused commit leaves behind would be in another lake's folders
    require_own(catalog)
    with lake_failures():
        files = change.files or _write(table, change)
        try:
            with expired_elsewhere():
                _commit_files(catalog, name, table, files, change)
        except CommitFailedException:
            # refused for certain, so nothing refers to them; PyIceberg takes back its manifests itself
            for data_file in files.added if change.files is None else ():
                table.io.delete(data_file.file_path)
            raise
    return table


def _commit_files(catalog: Catalog, name: TableName, table: Table, files: DataFiles, change: Change) -> None:
    with SteadyTransaction(table) as transaction:
        if properties := {**full_rows_property(files.added, change), **change.properties}:
            transaction.set_properties(properties)
        if change.forgets:
            transaction.remove_properties(*change.forgets)
        if files.added or files.removed:
            expire_surplus(transaction, table, coming=1)
            _stage_snapshot(transaction, table, files, change)
            # after the snapshot has its time, and before the commit that may expire the state before it
            staged = transaction.table_metadata.current_snapshot()
            if staged is not None:
                _pin_if_due(catalog, name, table, datetime.fromtimestamp(staged.timestamp_ms / 1000, UTC))


def _pin_if_due(catalog: Catalog, name: TableName, table: Table, ends_at: datetime) -> None:
    """Pin the state that the commit ends, if an hour ended with it: looked up anew, or the pin might claim too much.

    Raises
    ------
    CommitFailedException
        When another commit came first.
    """
    hour = pinnable_hour(table, ends_at)
    if hour is None:
        return
    if load_table(catalog, name).metadata_location != table.metadata_location:
        raise CommitFailedException(f"{name} changed while a commit to it was made")
    pin_state(table, hour)


def _write(table: Table, change: Change) -> DataFiles:
    added = write_data_files(table, change.rows) if change.rows is not None else []
    if change.replaces is None or table.current_snapshot() is None:
        return DataFiles(added=added)
    kept, removed = rows_outside(table, change.replaces)
    return DataFiles(added=added + write_data_files(table, kept), removed=removed)


def full_rows_property(added: Sequence[DataFile], change: Change) -> dict[str, str]:
    """Rows of a file that was cut off because it was full: a compaction need not look at its like."""
    beside_others = change.replaces is not None and change.replaces.column is not None
    if change.rows is None or beside_others or len(added) < 2:
        return {}
    return {FULL_ROWS_PROPERTY: str(added[0].record_count)}


def _stage_snapshot(transaction: Transaction, table: Table, files: DataFiles, change: Change) -> None:
    # what the rows contain stands in the snapshot as well: a roll back to it sets the table's properties again
    standing = {name: value for name, value in table.properties.items() if name not in change.forgets}
    contained = build_properties({**standing, **change.properties})
    summary = {**contained, **change.summary}
    # one overwrite snapshot, not PyIceberg's delete-then-append pair, of which the first is readable
    # by time travel and holds neither the old rows nor the new ones
    producer = (
        replacement(transaction, table, files.removed, summary)
        if files.removed
        else transaction.update_snapshot(snapshot_properties=summary).merge_append()
    )
    for data_file in files.added:
        producer.append_data_file(data_file)
    producer.commit()
