"""Delete files: other engines write them instead of a data file anew; a commit of ours takes all of them out.

The rule: a commit that replaces data files also rewrites every data file that delete files cover, and then leaves
none of them in the table; an append leaves them where they are. PyIceberg's own replacement forgets those of the
files that it takes away, and DuckDB, which counts rows as those of data files less those of delete files, ends at
a number below nought.

What belongs here: finding them, and the snapshot that leaves them out. What does not: the rows that stay.
"""

from collections.abc import Iterable, Sequence

from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent, ManifestEntry
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.snapshots import Operation, Snapshot

# private: `_OverwriteFiles` takes manifests of delete files out as it should, but its check of what it was asked to
# remove knows data files alone. `test_delete_files.py` notices when either changes
from pyiceberg.table.update.snapshot import _OverwriteFiles

from foss_platform.errors import LastingError


def has_delete_files(table: Table) -> bool:
    """Whether the current state has any: by the snapshot's summary, at no cost, or where it is silent by its list.

    Raises
    ------
    LastingError
        When there are equality deletes, which PyIceberg cannot apply.
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
    """Raise where a snapshot's summary tells of equality deletes.

    Raises
    ------
    LastingError
        With what to do about them.
    """
    if int(_totals(snapshot).get("total-equality-deletes", 0)):
        raise _equality_deletes(name)


def all_delete_files(table: Table) -> list[DataFile]:
    """Those of the current state, also those whose data file is gone; nothing is read where there are none.

    Raises
    ------
    LastingError
        When there are equality deletes, which PyIceberg cannot apply.
    """
    return [entry.data_file for entry in _entries(table)] if has_delete_files(table) else []


def covering(tasks: Iterable[FileScanTask]) -> dict[str, frozenset[str]]:
    """By path of a data file, the paths of the delete files that cover it; without those that none covers."""
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
    """One overwrite snapshot that also takes delete files out."""

    standing: Sequence[ManifestEntry] = ()

    def _validate_required_deletes(self, deleted_entries: list[ManifestEntry]) -> None:
        super()._validate_required_deletes([*deleted_entries, *self.standing])


def replacement(
    transaction: Transaction, table: Table, removed: Sequence[DataFile], summary: dict[str, str]
) -> _OverwriteFiles:
    """Start the one snapshot in which other files take the place of those `removed`, without any delete file.

    Parameters
    ----------
    table
        The state that the transaction began with.

    Raises
    ------
    LastingError
        When a data file would stay of which delete files take rows away: these would come back.
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
        raise LastingError(
            f"{'.'.join(table.name())} would get deleted rows back in {len(staying)} files; nothing was changed.",
            "Please report this.",
        )


def _totals(snapshot: Snapshot) -> dict[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary is not None else {}


def _equality_deletes(name: object) -> LastingError:
    return LastingError(
        f"{name} holds equality deletes, which some other engine wrote and PyIceberg cannot apply.",
        "Let that engine, or Trino's `alter table … execute optimize`, rewrite the table first.",
    )
