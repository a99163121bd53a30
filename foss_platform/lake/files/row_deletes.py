"""Row-level delete files, which other engines write instead of rewriting a data file.

Every commit of this platform that replaces data files also rewrites all data files covered by delete files, and
leaves no delete file in the table. An append leaves delete files unchanged. PyIceberg's own replacement
leaves the delete files of the data files that it removes. DuckDB computes a row count as the rows of all data files
minus the rows of all delete files, and would then return a negative count.

This module finds delete files and creates the snapshot without them. See `lake.files.data_files` for the remaining
rows.
"""

from collections.abc import Iterable, Sequence

from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent, ManifestEntry
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.snapshots import Operation, Snapshot

# Private: `_OverwriteFiles` removes delete files from manifests correctly, but its check that each file to remove
# exists considers data files only. `test_row_deletes.py` fails if either behavior changes.
from pyiceberg.table.update.snapshot import _OverwriteFiles

from foss_platform.errors import PermanentError


def has_delete_files(table: Table) -> bool:
    """Whether the current state has delete files. Uses the counts in the snapshot's summary. If they are missing, reads
    the manifest list.

    Raises
    ------
    PermanentError
        If there are equality deletes, which PyIceberg cannot apply.
    """
    snapshot = table.current_snapshot()
    if snapshot is None:
        return False
    refuse_equality_deletes(".".join(table.name()), snapshot)
    totals = _totals(snapshot)
    if "total-delete-files" in totals:
        return int(totals["total-delete-files"]) != 0
    return any(manifest.content == ManifestContent.DELETES for manifest in snapshot.manifests(table.io))


def refuse_equality_deletes(name: object, snapshot: Snapshot) -> None:
    """Raise if a snapshot's summary contains equality deletes.

    Raises
    ------
    PermanentError
        With the remedy.
    """
    if int(_totals(snapshot).get("total-equality-deletes", 0)):
        raise _equality_deletes(name)


def all_delete_files(table: Table) -> list[DataFile]:
    """Return the delete files of the current state, even if their data file is gone. Reads no manifest if the state has
    no delete files.

    Raises
    ------
    PermanentError
        If there are equality deletes, which PyIceberg cannot apply.
    """
    return [entry.data_file for entry in _entries(table)] if has_delete_files(table) else []


def covering(tasks: Iterable[FileScanTask]) -> dict[str, frozenset[str]]:
    """Return the paths of the delete files of each covered data file, by the data file's path."""
    return {
        task.file.file_path: frozenset(file.file_path for file in task.delete_files)
        for task in tasks
        if task.delete_files
    }


def _entries(table: Table) -> list[ManifestEntry]:
    snapshot = table.current_snapshot()
    manifests = snapshot.manifests(table.io) if snapshot is not None else []
    entries = [
        entry
        for manifest in manifests
        if manifest.content == ManifestContent.DELETES
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]
    if any(entry.data_file.content == DataFileContent.EQUALITY_DELETES for entry in entries):
        raise _equality_deletes(".".join(table.name()))
    return entries


class _Replacement(_OverwriteFiles):
    """An overwrite snapshot that also removes delete files."""

    standing: Sequence[ManifestEntry] = ()

    def _validate_required_deletes(self, deleted_entries: list[ManifestEntry]) -> None:
        super()._validate_required_deletes([*deleted_entries, *self.standing])


def replacement(
    transaction: Transaction, table: Table, removed: Sequence[DataFile], summary: dict[str, str]
) -> _OverwriteFiles:
    """Start the single snapshot that replaces the `removed` files and drops all delete files.

    Parameters
    ----------
    table
        The state at the start of the transaction.

    Raises
    ------
    PermanentError
        If a data file with deleted rows would remain in the table. Without its delete files, these rows would reappear.
    """
    if not has_delete_files(table):
        producer = transaction.update_snapshot(snapshot_properties=summary).overwrite()
    else:
        standing = _entries(table)
        _refuse_revival(table, {file.file_path for file in removed})
        producer = _Replacement(Operation.OVERWRITE, transaction, table.io, snapshot_properties=summary)
        producer.standing = standing
        for entry in standing:
            producer.delete_data_file(entry.data_file)
    for data_file in removed:
        producer.delete_data_file(data_file)
    return producer


def _refuse_revival(table: Table, removed: set[str]) -> None:
    staying = covering(table.scan().plan_files()).keys() - removed
    if staying:
        raise PermanentError(
            f"The commit would restore deleted rows in {len(staying)} files of {'.'.join(table.name())}. "
            "Nothing was changed.",
            "Please report this.",
        )


def _totals(snapshot: Snapshot) -> dict[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary is not None else {}


def _equality_deletes(name: object) -> PermanentError:
    return PermanentError(
        f"{name} has equality deletes, which another engine wrote and PyIceberg cannot apply.",
        "Let that engine, or Trino's `alter table … execute optimize`, rewrite the table first.",
    )
