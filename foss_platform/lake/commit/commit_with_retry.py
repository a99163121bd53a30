"""Changing a table: appends and replacements, each planned for the table state that the commit changes.

All commits of rows use the loop in this module. After a conflict, it plans the change again. See
`lake.build.commit_and_compact` for the maintenance after a commit.

PyIceberg's own retry is off (`lake.table.tables.DEFAULT_PROPERTIES`). It rebases a commit without checking whether
the same batch has been committed meanwhile, so two processes with outdated table objects appended the same batch twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction

from foss_platform.errors import TransientError
from foss_platform.lake.commit.cached_transaction import CachedTransaction
from foss_platform.lake.files.data_files import (
    FULL_ROWS_PROPERTY,
    DataFiles,
    Rows,
    Slices,
    rows_outside,
    write_data_files,
)
from foss_platform.lake.files.row_deletes import replacement
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.snapshots.expiry import expire_surplus
from foss_platform.lake.snapshots.pins import pin_state, pinnable_hour
from foss_platform.lake.store.failures import expired_elsewhere, lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import build_properties
from foss_platform.lake.table.tables import load_table

#: Number of tries before a conflict is an error. With 8 writers on one table, up to 25 tries were needed.
COMMIT_TRIES = 60
_MAX_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Change:
    """The content of one commit, which creates a single snapshot.

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
    """Plan a change for the table's current state and commit it. If another commit was first, plan the change again.

    Parameters
    ----------
    plan
        Called with the table's current state. Returns the change, or None if nothing is left to do. It is called
        once per try, with the state that the try's commit would change.

    Raises
    ------
    TransientError
        If other commits were first in every try, or the store or catalog failed. Nothing was committed then.
    """
    return _until_committed(name, lambda: _try_once(catalog, name, plan), tries or COMMIT_TRIES)


def alter(catalog: Catalog, name: TableName, change: Callable[[Table, Transaction], None]) -> Table:
    """Change a table's columns and properties in one commit. If another commit was first, try again.

    Parameters
    ----------
    change
        Called with the table's current state and a transaction. Stages the necessary changes in the transaction. If
        it stages nothing, nothing is committed.

    Raises
    ------
    TransientError
        In the same cases as `apply_change`.
    """

    def once() -> Table:
        require_own(catalog)
        table = load_table(catalog, name)
        with lake_failures(), expired_elsewhere(), CachedTransaction(table) as transaction:
            change(table, transaction)
        return table

    return _until_committed(name, once, COMMIT_TRIES)


def lacking_properties(table: Table, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the wanted properties that the table lacks or has with another value."""
    return {key: value for key, value in wanted.items() if table.properties.get(key) != value}


def sync_properties(catalog: Catalog, name: TableName, table: Table, wanted: Mapping[str, str]) -> Table:
    """Set the properties that differ from the wanted ones. Makes no commit if none differs."""
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
        raise TransientError(
            f"{name} changed during {tries} tries to commit to it. Nothing was written.",
            "Another process is writing to it. Run again after it has finished.",
        ) from error


def _try_once(catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None]) -> Table:
    table = load_table(catalog, name)
    change = plan(table)
    if change is None:
        return table
    # Check the owner before writing. Otherwise, a refused commit would leave a file in another lake's folders.
    require_own(catalog)
    with lake_failures():
        files = change.files or _write(table, change)
        try:
            with expired_elsewhere():
                _commit_files(catalog, name, table, files, change)
        except CommitFailedException:
            # It is certain that the commit was refused, so nothing refers to the data files. PyIceberg deletes the
            # manifests itself.
            for data_file in files.added if change.files is None else ():
                table.io.delete(data_file.file_path)
            raise
    return table


def _commit_files(catalog: Catalog, name: TableName, table: Table, files: DataFiles, change: Change) -> None:
    with CachedTransaction(table) as transaction:
        if properties := {**full_rows_property(files.added, change), **change.properties}:
            transaction.set_properties(properties)
        if change.forgets:
            transaction.remove_properties(*change.forgets)
        if files.added or files.removed:
            expire_surplus(transaction, table, coming=1)
            _stage_snapshot(transaction, table, files, change)
            # The snapshot's time is known now. Pin the current state before the commit, which may expire its snapshot.
            staged = transaction.table_metadata.current_snapshot()
            if staged is not None:
                _pin_if_due(catalog, name, table, datetime.fromtimestamp(staged.timestamp_ms / 1000, UTC))


def _pin_if_due(catalog: Catalog, name: TableName, table: Table, ends_at: datetime) -> None:
    """Pin the state that the commit replaces, if a full hour has passed since it became current. The table is loaded
    again, so that no pin is written for an hour at which another commit had already replaced the state.

    Raises
    ------
    CommitFailedException
        If another commit has changed the table meanwhile.
    """
    hour = pinnable_hour(table, ends_at)
    if hour is None:
        return
    if load_table(catalog, name).metadata_location != table.metadata_location:
        raise CommitFailedException(f"{name} changed during a commit to it")
    pin_state(table, hour)


def _write(table: Table, change: Change) -> DataFiles:
    added = write_data_files(table, change.rows) if change.rows is not None else []
    if change.replaces is None or table.current_snapshot() is None:
        return DataFiles(added=added)
    kept, removed = rows_outside(table, change.replaces)
    return DataFiles(added=added + write_data_files(table, kept), removed=removed)


def full_rows_property(added: Sequence[DataFile], change: Change) -> dict[str, str]:
    """Return the table property with the row count of a full file, with which compaction skips such files. Empty if no
    file was full.
    """
    beside_others = change.replaces is not None and change.replaces.column is not None
    if change.rows is None or beside_others or len(added) < 2:
        return {}
    return {FULL_ROWS_PROPERTY: str(added[0].record_count)}


def _stage_snapshot(transaction: Transaction, table: Table, files: DataFiles, change: Change) -> None:
    # The snapshot's summary records the positions of its rows, so that a rollback to the snapshot can also restore the
    # positions in the table's properties.
    standing = {name: value for name, value in table.properties.items() if name not in change.forgets}
    contained = build_properties({**standing, **change.properties})
    summary = {**contained, **change.summary}
    # One overwrite snapshot, instead of the delete and append snapshots of PyIceberg's `overwrite`. Time travel could
    # read the first of these two, which contains neither the old rows nor the new ones.
    producer = (
        replacement(transaction, table, files.removed, summary)
        if files.removed
        else transaction.update_snapshot(snapshot_properties=summary).merge_append()
    )
    for data_file in files.added:
        producer.append_data_file(data_file)
    producer.commit()
